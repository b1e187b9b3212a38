"""`cordax ep`: electrophysiology of one cell, and of a heart."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cordax.cli.show import (
    Force,
    Json,
    Refused,
    err,
    out,
    print_json,
    progress,
    refuse_existing,
    table,
)

app = typer.Typer(
    help="Electrophysiology: pace a cell, or a whole heart.", no_args_is_help=True
)
_NUMBERS = "X,Y,Z[,RADIUS]"


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
        refuse_existing(plot, force)
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
def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="Mesh (.vtu .vtp .msh .ply .stl .pts ...) or NIfTI."),
    ] = None,
    heart: Annotated[
        str,
        typer.Option(
            help="In place of a file: cable, ring, sheet, slab, atrium, left_ventricle "
            "or biventricle."
        ),
    ] = "",
    again: Annotated[
        Path | None,
        typer.Option(metavar="RUN.JSON", help="Run what another run's file says."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to make."),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="Unit of length of the file: m, cm, mm or um.")
    ] = "",
    spacing: Annotated[
        float | None,
        typer.Option(help="Of the voxels, or of a generated mesh's edges, mm."),
    ] = None,
    mesh: Annotated[
        bool, typer.Option("--mesh", help="Run on the elements, not on voxels.")
    ] = False,
    fibres: Annotated[
        str, typer.Option(help="file: those the mesh has; rule: made by rule.")
    ] = "file",
    regions_insulating: Annotated[
        str, typer.Option(metavar="3,4", help="Regions that do not conduct.")
    ] = "",
    cell: Annotated[
        str, typer.Option(help="Membrane model; cordax ep cell --help lists them.")
    ] = "mitchell_schaeffer_2003",
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="epi, endo, m; by region: 1=epi,2=endo")
    ] = "",
    prepace: Annotated[
        int, typer.Option(min=0, help="Beats of one cell before the tissue's first.")
    ] = 10,
    velocity: Annotated[
        str,
        typer.Option(
            metavar="F,S,N", help="Wanted along fibre, sheet, normal, m/s; one for all."
        ),
    ] = "",
    conductivity: Annotated[
        str, typer.Option(metavar="F,S,N", help="Instead of velocities, S/m.")
    ] = "",
    stimulate: Annotated[
        list[str] | None,
        typer.Option(metavar=_NUMBERS, help="Where, mm; repeatable. The apex if not."),
    ] = None,
    surface: Annotated[
        str, typer.Option(metavar="NAME", help="Stimulate where this field is 1.")
    ] = "",
    sinus: Annotated[
        bool,
        typer.Option(
            "--sinus",
            help="Start two ventricles as sinus rhythm does: five root "
            "points and a fast endocardial layer.",
        ),
    ] = False,
    strength: Annotated[
        float | None,
        typer.Option(help="Times the threshold, searched first; customary is 2."),
    ] = None,
    s1: Annotated[float, typer.Option(min=1.0, help="Cycle length, ms.")] = 500.0,
    beats: Annotated[int, typer.Option(min=1, help="How many S1.")] = 1,
    s2: Annotated[
        str, typer.Option(metavar="MS,...", help="Intervals of S2, S3, ...")
    ] = "",
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="X,Y,Z,R", help="Ball, or capsule X,Y,Z,X,Y,Z,R; mm; repeatable."
        ),
    ] = None,
    probe: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,Z", help="Record the voltage here; repeatable."),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="ms; 500 after the last stimulus if not given.")
    ] = None,
    dt: Annotated[float | None, typer.Option(help="Time step, ms.")] = None,
    every: Annotated[
        float | None, typer.Option(help="Interval of ECG samples and frames, ms.")
    ] = None,
    eikonal: Annotated[
        bool, typer.Option("--eikonal", help="Activation times only, in seconds.")
    ] = False,
    ecg: Annotated[bool, typer.Option("--ecg", help="Twelve leads.")] = False,
    movie: Annotated[
        bool, typer.Option("--movie", help="A film of the voltage (GIF).")
    ] = False,
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
    refuse_existing(output, force)
    from cordax.ep import settings as options

    if again is not None:
        if file is not None or heart:
            raise Refused("--again takes the heart from the file; name no other.")
        settings = options.again(again)
    else:
        several = options.numbers
        try:
            settings = options.Settings(
                heart=heart, file=str(file or ""), unit=_unit(unit), spacing=spacing,
                elements=mesh, fibres=fibres, cell=cell, layer=layer, prepace=prepace,
                insulating=tuple(
                    int(k) for k in several(regions_insulating, "--regions-insulating")
                ),
                velocity=several(velocity, "--velocity"),
                conductivity=several(conductivity, "--conductivity"),
                stimulate=tuple(several(x, "--stimulate") for x in stimulate or ()),
                surface=surface, sinus=sinus, strength=strength, s1=s1, beats=beats,
                s2=several(s2, "--s2"),
                ablate=tuple(several(x, "--ablate") for x in ablate or ()),
                probe=tuple(several(x, "--probe") for x in probe or ()),
                duration=duration, dt=dt, every=every, eikonal=eikonal, ecg=ecg,
                movie=movie,
            )  # fmt: skip
        except ValueError as error:
            raise Refused(str(error)) from None
    _run(settings, output, checkpoint, force, json, fields)


def _unit(unit: str) -> str:
    if unit not in ("", "m", "cm", "mm", "um"):
        raise Refused(f"--unit takes m, cm, mm or um; got {unit!r}.")
    return unit


def _run(
    settings: Any, output: Path, checkpoint: Path | None, force: bool, json: bool,
    fields: str,
) -> None:  # fmt: skip
    import shlex
    import sys

    import cordax

    # tissue is twice as fast on a CPU; the eikonal's program does not compile so
    cordax.setup(x64=True, fuse=not settings.eikonal)
    from cordax.ep import report, results
    from cordax.ep import run as task

    command = shlex.join(["cordax", *sys.argv[1:]])
    with progress(settings.name, quiet=json) as step:
        try:
            outcome = task.compute(settings, checkpoint=checkpoint, progress=step)
        except KeyboardInterrupt:
            if checkpoint is not None and checkpoint.exists():
                err.print(
                    f"Interrupted: {checkpoint} holds the run so far. Type the same "
                    "command again to go on.",
                    highlight=False,
                    markup=False,
                )
            raise
        results.write(
            outcome, output, command=command, force=force, fields=fields, progress=step
        )
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
