"""`cordax ep`: electrophysiology of one cell, and of a heart."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cordax import tasks
from cordax.cli.options import Typed, takes
from cordax.cli.show import (
    Force,
    Json,
    Refused,
    err,
    out,
    print_json,
    progress,
    table,
)
from cordax.ep.settings import Settings

app = typer.Typer(
    help="Electrophysiology: pace a cell, or a whole heart.", no_args_is_help=True
)


class _ListsCells(TyperCommand):
    """Help that ends with the catalogue of cells, read only when it is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from cordax.scenarios.names import CELLS

        lines = [
            f"  {name}{' (' + ', '.join(one.layers) + ')' if one.layers else ''}: "
            f"{one.help}"
            for name, one in CELLS.items()
        ]
        models = "\n\n".join(["[b]Models (layers)[/b]", *lines])
        self.help = f"{str(self.help).split(models)[0].rstrip()}\n\n{models}"
        super().format_help(ctx, formatter)


@app.command(cls=_ListsCells)
def cell(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Such as ten_tusscher_2006.")
    ],
    bcl: Annotated[
        float, typer.Option(min=50.0, help="Cycle length between beats, ms.")
    ] = 1000.0,
    beats: Annotated[
        int, typer.Option(min=1, help="Beats; the last is measured.")
    ] = 100,
    layer: Annotated[
        str, typer.Option(help="epi, endo or m, where the model has them.")
    ] = "",
    restitution: Annotated[
        bool, typer.Option("--restitution", help="S1-S2: APD90 after shorter pauses.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Pace one membrane model and measure its action potential.

    [b]Examples[/b]

      cordax ep cell ten_tusscher_2006 --bcl 1000 --layer epi --plot ap.png

      cordax ep cell courtemanche_1998 --beats 20 --restitution --json
    """
    if plot is not None:
        if plot.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise Refused(f"--plot writes .png, .svg or .pdf; got {plot.name!r}.")
        _require_pictures(plot, restitution, force)
    import cordax
    from cordax.ep import cell as cells

    cordax.setup()
    with progress(name, quiet=json) as step:
        step(f"{beats} beats", 0.0)
        found = cells.measure(name, layer, bcl, beats, restitution=restitution)
        step(f"{beats} beats", 1.0)
    drawn = cells.draw(found, plot) if plot is not None else []
    if json:
        trace = found.pop("trace")
        print_json(found | {"trace": trace, "files": [str(path) for path in drawn]})
        return
    _print_cell(found)
    for path in drawn:
        out.print(f"Picture: {path}", highlight=False, soft_wrap=True)


def _require_pictures(plot: Path, restitution: bool, force: bool) -> None:
    """Refuses targets that are anything but pictures drawn before."""
    from cordax.ep.cell import pictures
    from cordax.reports.figures.circulation import KIND
    from physio.files import bears_mark, require_file

    for path in pictures(plot, restitution):
        require_file(path, KIND, lambda p: bears_mark(p, KIND), force=force)


def _print_cell(found: dict[str, Any]) -> None:
    from cordax.reports.html import number

    rows = [
        ["Rest", f"{found['rest_mv']:.1f} mV"],
        ["Peak", f"{found['peak_mv']:.1f} mV"],
        ["Steepest upstroke", f"{number(found['upstroke_v_per_s'])} V/s"],
        *(
            [f"APD{share}", f"{number(found[f'apd{share}_ms'])} ms"]
            for share in (30, 50, 90)
        ),
    ]
    if "calcium_mm" in found:
        low, high = (f"{x:.3g}" for x in found["calcium_mm"])
        rows.append(["Calcium", f"{low} to {high} mM"])
    rows.append(["Source", found["source"]])
    title = " ".join(part for part in (found["cell"], found["layer"]) if part)
    head = f"{title}, {found['beats']} beats at {found['bcl_ms']:g} ms"
    table(head, ["Figure", "Value"], rows)
    if "restitution" in found:
        curve = found["restitution"].values()
        shown = [[number(x) for x in row] for row in zip(*curve, strict=True)]
        table("S1-S2 restitution", ["Interval, ms", "Pause, ms", "APD90, ms"], shown)


@app.command()
@takes(Settings)
def run(
    typed: Typed,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Mesh (.vtu .vtp .msh .ply .stl .pts ...) or labels (.nii.gz .vti)."
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(metavar="RUN.JSON", help="Run what another run's file says."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to make."),
    ] = None,
    fields: Annotated[
        str, typer.Option(help="Kind of the file of fields: vtu or vtkhdf.")
    ] = "vtu",
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save the run here; typed again, it goes on."),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Pace a heart; write its activation, recovery, ECG and a report into DIR.

    DIR holds report.html (works off-line), activation.vtu for ParaView, run.json and
    probes.csv; with --ecg ecg.csv, with --movie movie.gif. Lengths are mm, times ms.

    [b]Examples[/b]

      cordax ep run --heart left_ventricle -o lv

      cordax ep run --heart biventricle --sinus --eikonal --ecg -o biv

      cordax ep run heart.vtu --spacing 0.5 --velocity 0.65,0.25,0.25 -o heart

      cordax ep run heart.vtu --beats 4 --s1 500 --s2 300,250 --movie -o s1s2

      cordax ep run heart.vtu --ablate 10,0,-20,15,0,-20,3 -o lesion

      cordax ep run heart.vtu --eikonal -o quick

      cordax ep run --again lv/run.json -o lv2
    """
    if output is None:
        raise Refused("Name the folder to make: -o DIR")
    if fields not in ("vtu", "vtkhdf"):
        raise Refused(f"--fields takes vtu or vtkhdf; got {fields!r}.")
    from cordax.ep import settings as options
    from physio.files import require_folder

    reads = [path for path in (file, again) if path is not None]
    require_folder(output, options.KIND, force=force, inputs=reads)
    if checkpoint is not None:
        _require_checkpoint(checkpoint)

    if again is None:
        settings = typed.settings(file=str(file or ""))
    else:
        more = [*typed.given, *(["FILE"] if file is not None else [])]
        if more:
            raise Refused(
                f"--again takes everything from {again}: leave {', '.join(more)} out, "
                "or edit a copy of that file."
            )
        settings = options.again(again)
    _run(settings, output, checkpoint, force, json, fields)


def _require_checkpoint(folder: Path) -> None:
    """Refuses a place where a run would be saved beside what is not one."""
    there = [] if not folder.is_dir() else [path.name for path in folder.iterdir()]
    foreign = [n for n in there if n != "state.npz" and not n.startswith("part-")]
    if foreign or (folder.exists() and not folder.is_dir()):
        what = f"holds {min(foreign)}" if foreign else "is a file"
        raise Refused(f"{folder} {what}: name a new folder: --checkpoint DIR")


def _run(
    settings: Any, output: Path, checkpoint: Path | None, force: bool, json: bool,
    fields: str,
) -> None:  # fmt: skip
    import shlex
    import sys

    command = shlex.join(["cordax", *sys.argv[1:]])
    with progress(settings.name, quiet=json) as step:
        try:
            outcome = tasks.run_heart(
                settings, output, command=command, progress=step,
                checkpoint=checkpoint, force=force, fields=fields,
            )  # fmt: skip
        except KeyboardInterrupt:
            if checkpoint is not None and checkpoint.exists():
                err.print(
                    f"Interrupted: {checkpoint} holds the run so far. Type the same "
                    "command again to go on.",
                    highlight=False,
                    markup=False,
                )
            raise
    from cordax.ep import report, results

    if json:
        files = sorted(path.name for path in output.iterdir())
        told = {"folder": str(output), "files": files, **outcome.figures}
        print_json(results.finite(told))
    else:
        table(
            settings.name, ["Figure", "Value"], [list(x) for x in report.rows(outcome)]
        )
        for line in (report.verdict(outcome), *outcome.warnings):
            out.print(line, highlight=False, markup=False, soft_wrap=True)
        out.print("Report:")
        path = (output / "report.html").resolve()
        out.print(str(path), highlight=False, soft_wrap=True)
    if not outcome.figures["activated_percent"]:
        raise typer.Exit(1)
