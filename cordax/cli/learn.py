"""`cordax learn`: what a cohort has in common and the mechanistic model lacks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cordax.cli.show import (
    DEFAULT_SEED,
    Force,
    Json,
    Seed,
    err,
    out,
    print_json,
    progress,
    refuse_existing,
    table,
)

app = typer.Typer(
    help="Train what the mechanistic model lacks, on a cohort.", no_args_is_help=True
)


@app.command()
def residual(
    cohort: Annotated[
        Path,
        typer.Argument(metavar="COHORT", help="A folder of records, or a CSV table."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to make.")
    ],
    most: Annotated[
        float,
        typer.Option(min=0.1, max=100.0, help="Most that each flow may be, mL/s."),
    ] = 10.0,
    steps: Annotated[
        int, typer.Option(min=1, max=100_000, help="Steps of the training.")
    ] = 150,
    seed: Seed = DEFAULT_SEED,
    force: Force = False,
    json: Json = False,
) -> None:
    """Learn the flows that every patient of a cohort has and the model lacks.

    COHORT is a folder of patient records (*.toml), or a table of fluid
    challenges (*.csv, columns as for cordax bench fluid-response) of 250 mL;
    four patients or more. Each is calibrated; then a network shared by all
    and everyone's own parameters are trained together, a fifth of the
    patients held out. The file says whether they gained; use it with cordax
    fit --residual.

    [b]Examples[/b]

      cordax learn residual ward/ -o ward.residual

      cordax learn residual challenges.csv -o fluid.residual

    Ctrl-C keeps FILE.training; the same command goes on from there.
    """
    refuse_existing(output, force)
    import cordax
    from cordax.cohorts import residual as learn
    from learned.storage import hybrid as storage

    cordax.setup()
    kept = output.with_name(output.name + ".training")
    with progress(cohort.name, quiet=json) as step:
        made = learn.read(cohort, seed=seed, progress=step)
        try:
            found, trained = learn.learn(
                made, seed=seed, most=most, stages=learn.stages(steps), checkpoint=kept,
                told=lambda p: step("residual", p.step / p.steps),
            )  # fmt: skip
        except KeyboardInterrupt:
            err.print(
                f"Interrupted: {kept} holds the training so far. The same command goes "
                "on from there.",
                highlight=False,
            )
            raise
    storage.save(output, found)
    kept.unlink(missing_ok=True)
    if json:
        print_json({"seed": seed, "file": str(output), "training": found.training})
        return
    _show(found, trained, output, seed)


@app.command()
def surrogate(
    patient: Annotated[
        str, typer.Argument(metavar="PATIENT", help="A record, or an embedded patient.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to make.")
    ],
    runs: Annotated[
        int, typer.Option(min=64, max=1_000_000, help="Runs of the simulator.")
    ] = 4096,
    seed: Seed = DEFAULT_SEED,
    force: Force = False,
    json: Json = False,
) -> None:
    """Learn a surrogate of a patient's circulation: parameters to every index.

    The simulator is run at draws from the prior, a little wider; the surrogate
    answers a thousand times faster, with intervals that are checked on runs it
    has not seen. Takes a minute or two.

    Example: cordax learn surrogate anna.toml -o anna.surrogate
    """
    refuse_existing(output, force)
    import cordax
    from cordax.cohorts import surrogate as learn_surrogate
    from cordax.patients import find
    from cordax.records import examine
    from cordax.reports.html import words
    from learned.storage import hybrid as storage
    from physio.units import PERCENT

    known = examine.read(find(patient))
    cordax.setup(fuse=True)
    with progress(known.id, quiet=json) as step:
        made, judged = learn_surrogate.learn(known, seed=seed, runs=runs, progress=step)
    storage.save(output, made)
    if json:
        told = {"seed": seed, "file": str(output), "training": made.training}
        print_json(told | {"indices": judged})
        return
    rows = [
        [
            words(name),
            f"{PERCENT * row['error']:.3g} %",
            f"{PERCENT * row['coverage95']:.0f} %",
        ]
        for name, row in judged.items()
    ]
    header = ["Index", "Error, median", "In the 95 % interval"]
    table(f"{learn_surrogate.JUDGED} draws it has not seen", header, rows)
    out.print(f"Surrogate: {output}  (seed {seed})", highlight=False)


def _show(found: Any, trained: Any, output: Path, seed: int) -> None:
    import numpy as np

    rows = [
        [name, unit, f"{float(low):.3g} to {float(high):.3g}"]
        for name, unit, low, high in zip(
            found.range.names, found.range.units, np.asarray(found.range.lower),
            np.asarray(found.range.upper), strict=True,
        )
    ]  # fmt: skip
    table("Where it was learned", ["Asked with", "Unit", "Range"], rows)
    t = found.training
    out.print(
        f"{t['patients']} patients, {t['held_out']} of them held out; misfit of those "
        f"{t['held_out_loss_before']:.3g} before, {t['held_out_loss']:.3g} after.",
        highlight=False,
    )
    if t["held_out_gain"] < 0.02 * t["held_out_loss_before"]:
        out.print(
            "Patients held out gained less than 2 %: this cohort shows nothing that "
            "the mechanistic model lacks. The file is kept; it changes little.",
            highlight=False,
        )
    out.print(f"Residual: {output}  (seed {seed})", highlight=False)
    out.print(f"Next: cordax fit PATIENT --residual {output} -o twin", highlight=False)
