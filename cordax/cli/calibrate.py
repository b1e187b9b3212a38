"""`cordax fit` and `cordax demo`: from records to twin folders."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cordax import tasks
from cordax.cli.show import (
    DEFAULT_SEED,
    Force,
    Json,
    Seed,
    err,
    out,
    print_json,
    progress,
    spread,
    table,
)


def fit(
    patients: Annotated[
        list[str],
        typer.Argument(metavar="PATIENT...", help="Records, or embedded patients."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="The twin folder to make."),
    ],
    residual: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A learned residual: cordax learn residual."),
    ] = None,
    surrogate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What leads the sampling: cordax learn surrogate."
        ),
    ] = None,
    seed: Seed = DEFAULT_SEED,
    force: Force = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    json: Json = False,
) -> None:
    """Calibrate a heart to a patient's measurements; make a twin folder.

    PATIENT is a TOML record, else an embedded name (cordax patients).
    Several make one batch: DIR then holds a twin for each, under its id.

    [b]Examples[/b]

      cordax fit anna.toml -o anna

      cordax fit anna.toml bert.toml periop -o ward --seed 7

      cordax fit anna.toml -o anna --residual ward.residual

      cordax fit anna.toml -o anna --surrogate anna.surrogate

    A surrogate only proposes; the circulation itself decides on every draw. A
    poor one changes no answer but may not reach one; the verdict then says so.

    Ctrl-C keeps what is finished: twins already calibrated stay in DIR.
    """
    records = tasks.records(patients)
    made = tasks.fit(
        records, output, seed=seed, residual=residual, surrogate=surrogate,
        force=force, opening=partial(progress, quiet=quiet), interrupted=_kept,
    )  # fmt: skip
    for record in records:
        for warning in record.warnings:
            err.print(str(warning), highlight=False, markup=False, soft_wrap=True)
    from cordax.reports.from_twin import summary

    summaries = {}
    for one in made:
        summaries[str(one.folder)] = summary(one.twin)
        if not json:
            _print_summary(summaries[str(one.folder)], one.record.id)
            out.print(f"Twin: {one.folder}  (seed {seed})", highlight=False)
            out.print(f"Next: cordax report {one.folder}", highlight=False)
    if json:
        print_json({"seed": seed, "twins": summaries})


def demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="The twin folder to make."),
    ] = Path("cordax-demo"),
    seed: Seed = DEFAULT_SEED,
    force: Force = False,
    json: Json = False,
) -> None:
    """Calibrate a real, anaesthetised patient and write the report.

    The patient is embedded: one minute of arterial and central venous
    pressure before fluid was given. Takes a minute or two the first time.

    Example: cordax demo -o demo
    """
    made, found, path = tasks.demo(
        output, seed=seed, force=force, interrupted=_kept,
        opening=partial(progress, quiet=json),
    )  # fmt: skip
    from cordax.cli.twins import print_whatif
    from cordax.reports.from_twin import summary

    if json:
        answers = {"twin": summary(made.twin), "whatif": found.table()}
        print_json({"seed": seed, **answers, "report": str(path)})
        return
    _print_summary(summary(made.twin), made.record.id)
    print_whatif(found.title, found)
    out.print(f"Twin: {output}  (seed {seed})", highlight=False)
    out.print("Report:")
    out.print(str(path.resolve()), highlight=False, soft_wrap=True)


def _kept(folder: Path) -> None:
    err.print(
        f"Interrupted: the fit without its posterior is kept in {folder}.",
        highlight=False,
    )


def _print_summary(summary: dict[str, Any], name: str) -> None:
    from cordax.reports.html import number, words

    rows = [
        [
            words(row["name"]),
            f"{number(row['value'])} ± {number(row['sd'])} {row['unit']}",
            spread(row["predicted"]),
            f"{row['residual']:+z.1f}",
            "" if row.get("role", "likelihood") == "likelihood" else "check",
        ]
        for row in summary.get("observations", ())
    ]
    if rows:
        header = ["Measurement", "Value ± sd", "Predicted (90 %)", "Residual/sd", ""]
        table(name, header, rows)
    _print_parameters(summary.get("parameters", ()))
    if "learned" in summary:
        _print_added(summary["learned"])
    for line in summary.get("verdict", ()):
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_added(learned: dict[str, Any]) -> None:
    """What the residual adds, by index, and what it moved."""
    from cordax.reports.html import unit, words

    rows = [
        [
            words(r["name"]),
            unit(r["unit"]),
            spread(r["value"]),
            spread(r["added"], True),
        ]
        for r in learned["added"]
    ]
    header = ["Index", "Unit", "Hybrid (90 %)", "Of it the residual's"]
    table("What the learned residual adds", header, rows)
    for line in learned["said"]:
        out.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_parameters(parameters: Any) -> None:
    from cordax.reports.html import unit

    rows = [
        [
            row["name"],
            unit(row["unit"]),
            spread(row["prior"]),
            spread(row["posterior"]),
            f"{row['sd_ratio']:.2f}" + (" prior only" if row["sd_ratio"] > 0.9 else ""),
        ]
        for row in parameters
    ]
    if rows:
        header = ["Parameter", "Unit", "Prior (90 %)", "Posterior (90 %)", "SD ratio"]
        table("Posterior SD over prior SD: 1 where the data say nothing", header, rows)
