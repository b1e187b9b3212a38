"""`cordax record new`, `cordax record check` and `cordax patients`."""

from pathlib import Path
from typing import Annotated

import typer

from cordax.cli.show import Force, Json, err, out, print_json, refuse_existing, table

app = typer.Typer(
    help="Write a commented patient record, or explain what is wrong with one.",
    no_args_is_help=True,
)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The TOML file to write.")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a commented record to fill in.

    Every key names its unit (systolic_pressure_mmhg, cardiac_output_l_min); what was
    not measured is left out.

    Example: cordax record new anna.toml
    """
    from cordax.records.template import template
    from physio.files import write_atomic

    refuse_existing(file, force)
    write_atomic(file, template(file.name))
    if json:
        print_json({"file": str(file)})
        return
    out.print(f"{file} is written. Fill it in, then type:", highlight=False)
    out.print(f"  cordax record check {file}", highlight=False)


@app.command()
def check(
    patients: Annotated[
        list[str], typer.Argument(help="TOML files or embedded patients.")
    ],
    json: Json = False,
) -> None:
    """Explain every problem of a record, with line numbers and what to type.

    Exit code 1 where a record cannot be used; warnings do not prevent a fit.

    Example: cordax record check anna.toml
    """
    from cordax.patients import find
    from cordax.records import examine

    found = {patient: examine.problems(_path(find, patient)) for patient in patients}
    bad = sum(p.level == "error" for problems in found.values() for p in problems)
    warnings = [str(p) for ps in found.values() for p in ps if p.level == "warning"]
    if json:
        print_json({"records": found, "errors": bad, "warnings": warnings})
    else:
        for patient, problems in found.items():
            for problem in problems:
                out.print(str(problem), highlight=False, markup=False, soft_wrap=True)
            if all(problem.level == "warning" for problem in problems):
                _summary(examine.read(find(patient)))
    if bad:
        raise typer.Exit(1)


def _path(find, patient: str) -> Path:
    # A file that is missing is a problem of the record, told like the others.
    return Path(patient) if patient.endswith(".toml") else find(patient)


def _summary(record) -> None:
    fitted = len(record.likelihood())
    checks = len(record.checks())
    waves = len(record.waveforms)
    count = len(record.warnings)
    many = "" if count == 1 else "s"
    doubts = f"{count} warning{many}; it can be fitted" if count else "no problems"
    out.print(
        f"{record.id}: {doubts}. {fitted} numbers to fit, {checks} to check, "
        f"{waves} waveforms; heart rate {record.heart_rate:.4g} per minute.",
        highlight=False,
        soft_wrap=True,
    )


def patients(json: Json = False) -> None:
    """List the embedded patients: published figures with their source.

    Each name can be used wherever a record is asked for.

    Example: cordax fit periop -o twin
    """
    from cordax.patients import find, names
    from cordax.records import examine

    records = {name: examine.read(find(name)) for name in names()}
    if json:
        print_json(
            {
                name: {
                    "file": r.path,
                    "conditions": r.conditions,
                    "measurements": len(r.measurements),
                    "waveforms": len(r.waveforms),
                    "source": r.source,
                }
                for name, r in records.items()
            }
        )
        return
    rows = [[n, ", ".join(r.conditions), _given(r)] for n, r in records.items()]
    table("", ["Patient", "Condition", "Given"], rows)
    for name, found in records.items():
        out.print(f"{name}: {found.source}\n", highlight=False, markup=False)
    err.print("Calibrate one: cordax fit periop -o twin", highlight=False)


def _given(record) -> str:
    waves = len(record.waveforms)
    return f"{len(record.measurements)} numbers" + (
        f", {waves} waveforms" if waves else ""
    )
