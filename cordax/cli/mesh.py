"""`cordax mesh check`: what a mesh holds and what is wrong with it."""

from pathlib import Path
from typing import Annotated

import typer

from cordax.cli.show import Force, Json, Refused, out, print_json

app = typer.Typer(help="Look at a heart's mesh before using it.", no_args_is_help=True)


@app.callback()
def _mesh() -> None:
    """Keeps `check` a verb of its own while it is the only one."""


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help=".vtu .vtp .vtk .vtkhdf .msh .xdmf .ply .stl .pts"),
    ],
    unit: Annotated[
        str | None,
        typer.Option(help="Unit of length of the file: m, cm, mm or um."),
    ] = None,
    fibre_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file's field of fibres.")
    ] = None,
    sheet_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file's field of sheets.")
    ] = None,
    region_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="... of region numbers.")
    ] = None,
    repair: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the mesh here, mended where possible."),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Print a mesh in figures and explain every problem, with what to do about it.

    Exit code 1 where there are problems (with --repair: where some are left).

    Example: cordax mesh check heart.vtu --unit um --repair mended.vtu
    """
    from physio.electrophysiology.mesh import check as mesh_check
    from physio.electrophysiology.mesh import report as mesh_report
    from physio.electrophysiology.mesh.formats import files as mesh_files
    from physio.electrophysiology.mesh.units import MM_PER

    if unit is not None and unit not in MM_PER:
        raise Refused(f"--unit takes {', '.join(MM_PER)}; got {unit!r}.")
    if repair is not None:
        if repair.suffix.lower() not in mesh_files.WRITABLE:
            names = ", ".join(mesh_files.WRITABLE)
            raise Refused(f"--repair writes {names}; got {repair.name!r}.")
        _require(repair, force, file)
    mesh = mesh_files.read(
        file, unit=unit, region=region_field, fibre=fibre_field, sheet=sheet_field
    )
    done: list[str] = []
    if repair is not None:
        mesh, done = mesh_check.repair(mesh)
        mesh_files.write(mesh, repair)
        lost = mesh_files.left_behind(mesh, repair)
        if lost:
            done.append(
                f"{repair.suffix} files have no place for {', '.join(lost)}: left out. "
                f"Name it {repair.stem}.vtu to keep them."
            )
    found = mesh_report.figures(mesh)
    if json:
        extra = {"repaired": {"file": str(repair), "done": done}} if repair else {}
        print_json(found | extra)
    else:
        lines = [mesh_report.as_text(found), *done]
        lines += [f"{repair} is written."] if repair else []
        for line in lines:
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    if found["problems"]:
        raise typer.Exit(1)


def _require(target: Path, force: bool, read: Path) -> None:
    """Refuses a target that is what is read, or anything but a mesh of its format."""
    from physio.electrophysiology.mesh.formats import files, opencarp
    from physio.files import require_file

    def ours(path: Path) -> bool:
        try:
            files.read(path)
        except (ValueError, OSError, KeyError):
            return False
        return True

    def parts(path: Path) -> list[Path]:
        # an openCARP mesh is several files beside each other
        several = path.suffix.lower() in opencarp.SUFFIXES
        return list(opencarp.names(path).values()) if several else [path]

    for path in parts(target):
        require_file(path, "mesh", ours, force=force, inputs=parts(read))
