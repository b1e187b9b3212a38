"""`cordax whatif`, `cordax report` and `cordax export`: what a twin folder is for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cordax.cli.show import (
    Force,
    Json,
    Refused,
    TwinFolder,
    err,
    out,
    print_json,
    refuse_existing,
    spread,
    table,
)
from cordax.scenarios.doses import describe

_DOSES = "\n\n".join(
    f"  [b]{name}[/b] ({unit}): {meaning}; {example}"
    for name, unit, meaning, example in describe()
)


def whatif(
    folder: TwinFolder,
    treatments: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=DOSE...", help="Treatments, or one scenario file (.toml)."
        ),
    ],
    json: Json = False,
) -> None:
    scenario, twin = _scenario(treatments), _load(folder)
    for note in scenario.notes:
        err.print(note, highlight=False, markup=False, soft_wrap=True)
    found = twin.whatif(scenario)
    twin.remember(found).keep(folder)
    if json:
        print_json({"scenario": str(scenario), **found.table()})
    else:
        print_whatif(str(scenario), found)


whatif.__doc__ = f"""Ask what treatments would do: before, after and change.

Several are given together, in order. Every number is a median with its
90 % interval over the posterior; the table says whether the reflex was on,
off or blunted.

[b]Examples[/b]

  cordax whatif anna fluid_bolus=500mL

  cordax whatif anna fluid_bolus=500mL vasodilator=0.8

  cordax whatif anna scenario.toml

[b]Treatments, with the unit and meaning of their dose[/b]

{_DOSES}
"""


def _scenario(treatments: list[str]):
    from cordax.scenarios.scenario import parse_all

    return parse_all(treatments)


def _load(folder: Path):
    import cordax
    from cordax.twins.twin import Twin

    cordax.setup()
    return Twin.load(folder)


def print_whatif(title: str, found: Any) -> None:
    """The before | after | change table, and what the reflex did."""
    from cordax.reports.html import unit, words

    rows = [
        [
            words(row.name),
            unit(row.unit),
            spread(row.before),
            spread(row.after),
            spread(row.change, signed=True),
        ]
        for row in found.rows
    ]
    header = ["Index", "Unit", "Before", "After", "Change"]
    table(f"{title} (reflex {found.reflex})", header, rows)
    if found.flag:
        out.print(found.flag, highlight=False, markup=False, soft_wrap=True)


def report(
    folder: TwinFolder,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="HTML file; DIR/report.html if not."
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the report: one HTML file that works without a network.

    Measurements against the posterior predictive, waveforms, loops, indices
    with intervals, prior and posterior, what the data see, every assumption.

    Example: cordax report anna -o anna.html
    """
    from cordax.reports.from_twin import report_data
    from cordax.reports.page import write

    if output is not None:
        refuse_existing(output, force)
    target = output or folder / "report.html"
    path = write(report_data(_load(folder)), target)
    if json:
        print_json({"report": str(path)})
    else:
        out.print("Report:")
        out.print(str(path.resolve()), highlight=False, soft_wrap=True)


def export(
    folder: TwinFolder,
    csv: Annotated[
        bool, typer.Option("--csv", help="As CSV files with a header line.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder to make; DIR-csv if not."
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Export indices, parameters, waveforms and posterior draws as tables.

    Example: cordax export anna --csv -o tables
    """
    if not csv:
        raise Refused("Say which format: cordax export DIR --csv")
    from cordax.reports.csv_tables import write_csv
    from cordax.reports.from_twin import report_data
    from cordax.twins.store import load

    target = output or folder.with_name(folder.name + "-csv")
    refuse_existing(target, force)
    payload = load(folder)
    files = write_csv(target, report_data(_load(folder)), payload["draws"], force)
    if json:
        print_json({"folder": str(target), "files": files})
    else:
        for name, rows in files.items():
            out.print(f"{target / name}: {rows} rows", highlight=False)
