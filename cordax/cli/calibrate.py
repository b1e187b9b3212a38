"""`cordax fit` and `cordax demo`: from records to twin folders."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from cordax.cli.show import (
    DEFAULT_SEED,
    Force,
    Json,
    Refused,
    Seed,
    err,
    out,
    print_json,
    progress,
    refuse_existing,
    spread,
    table,
)

DEMO_PATIENT = "periop"


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
    records = _records(patients)
    folders = _folders(records, output)
    for folder in folders:
        refuse_existing(folder, force)
    import cordax
    from cordax.reports.from_twin import summary
    from cordax.twins.calibrate import calibrate, fitted

    cordax.setup()
    from learned.storage.hybrid import load

    learned = None if residual is None else load(residual)
    lead = None if surrogate is None else load(surrogate)
    summaries = {}
    fits = [None]
    if len(records) > 1:
        with progress("all together", quiet=quiet) as step:
            fits = fitted(records, seed=seed, progress=step, residual=learned)
    for record, folder, found in zip(records, folders, fits, strict=True):
        for warning in record.warnings:
            err.print(str(warning), highlight=False, markup=False, soft_wrap=True)
        one = partial(calibrate, found=found, residual=learned, surrogate=lead)
        twin = _calibrate(one, record, folder, seed, force, quiet)
        summaries[str(folder)] = summary(twin)
        if not json:
            _print_summary(summaries[str(folder)], record.id)
            out.print(f"Twin: {folder}  (seed {seed})", highlight=False)
            out.print(f"Next: cordax report {folder}", highlight=False)
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
    import cordax
    from cordax.patients import find
    from cordax.records import examine
    from cordax.reports.from_twin import report_data, summary
    from cordax.reports.page import write
    from cordax.scenarios.scenario import parse_all

    refuse_existing(output, force)
    patient = examine.read(find(DEMO_PATIENT))
    from cordax.twins.calibrate import calibrate

    cordax.setup()
    twin = _calibrate(calibrate, patient, output, seed, force, json)
    treatment = str(parse_all(["fluid_bolus=500mL"]).treatments[0])
    change = twin.whatif([treatment])
    twin = twin.remember(change)
    twin.keep(output)
    path = write(report_data(twin), output / "report.html")
    if json:
        print_json(
            {
                "seed": seed,
                "twin": summary(twin),
                "whatif": change.table(),
                "report": str(path),
            }
        )
        return
    _print_summary(summary(twin), patient.id)
    from cordax.cli.twins import print_whatif

    print_whatif(treatment, change)
    out.print(f"Twin: {output}  (seed {seed})", highlight=False)
    out.print("Report:")
    out.print(str(path.resolve()), highlight=False, soft_wrap=True)


def _records(patients: list[str]) -> list[Any]:
    from cordax.patients import find
    from cordax.records import examine, record

    records, problems = [], []
    for patient in patients:
        try:
            records.append(examine.read(find(patient)))
        except record.RecordError as error:
            problems += error.problems
    if problems:
        raise record.RecordError(problems)
    return records


def _folders(records: list[Any], output: Path) -> list[Path]:
    if len(records) == 1:
        return [output]
    ids = [record.id for record in records]
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise Refused(
            f"Two patients have the id {min(twice)!r}. Give each record its own id."
        )
    return [output / name for name in ids]


def _calibrate(calibrate, record, folder: Path, seed: int, force: bool, quiet: bool):
    """Calibrates and saves; on Ctrl-C saves the twin that `calibrate` hands over."""

    def keep(rough: Any) -> None:
        rough.save(folder, force=force)
        err.print(
            f"Interrupted: the fit without its posterior is kept in {folder}.",
            highlight=False,
        )

    with progress(record.id, quiet=quiet) as step:
        twin = calibrate(record, seed=seed, progress=step, interrupted=keep)
    twin.save(folder, force=force)
    return twin


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
