"""What one does with cordax, a function each; the command line calls these, and so will
whatever else asks (a page, a service). Arguments are plain values, results too; what is
wrong raises, nothing is printed. JAX is loaded by the first function that needs it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cordax.progress import Progress
from cordax.settings import Refused

if TYPE_CHECKING:
    from cordax.ep.run import Outcome
    from cordax.ep.settings import Settings
    from cordax.records.record import Record
    from cordax.scenarios.scenario import Scenario
    from cordax.twins.twin import Twin
    from cordax.twins.what_if import WhatIf

DEMO_PATIENT, DEMO_TREATMENT = "periop", "fluid_bolus=500mL"
#: Opens the progress of one patient or run by its title.
Opening = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Fitted:
    """A patient's twin and the folder it was saved in."""

    record: "Record"
    folder: Path
    twin: "Twin"


def records(patients: Sequence[str]) -> list["Record"]:
    """The records of files or embedded patients.

    Raises ``RecordError`` with the problems of all of them.
    """
    from cordax.patients import find
    from cordax.records import examine, record

    found, problems = [], []
    for patient in patients:
        try:
            found.append(examine.read(find(patient)))
        except record.RecordError as error:
            problems += error.problems
    if problems:
        raise record.RecordError(problems)
    return found


def fit(
    found: Sequence["Record"],
    output: Path,
    *,
    seed: int,
    opening: Opening,
    residual: Path | None = None,
    surrogate: Path | None = None,
    force: bool = False,
    interrupted: Callable[[Path], None] | None = None,
) -> Iterator[Fitted]:
    """Twins of records, one after the other, each saved before it is yielded.

    One patient's twin goes to ``output``, those of several into it under their ids.
    Every door is checked before anything is computed. On Ctrl-C the fit without its
    posterior is saved, ``interrupted`` is given its folder, and the interrupt goes on.

    Raises ``NotReplaced``, ``Refused`` for two patients of one id, ``ValueError`` for
    one that cannot be fitted.
    """
    from cordax.twins.store import KIND
    from physio.files import require_folder

    folders = _folders(found, output)
    reads = [*_files(found), *(f for f in (residual, surrogate) if f is not None)]
    for folder in folders:
        require_folder(folder, KIND, force=force, inputs=reads)
    return _fitted(
        found, folders, seed=seed, opening=opening, residual=residual,
        surrogate=surrogate, force=force, interrupted=interrupted,
    )  # fmt: skip


def _fitted(
    found: Sequence["Record"], folders: list[Path], *, seed: int, opening: Opening,
    residual: Path | None, surrogate: Path | None, force: bool,
    interrupted: Callable[[Path], None] | None,
) -> Iterator[Fitted]:  # fmt: skip
    import cordax
    from cordax.twins.calibrate import calibrate, fitted

    cordax.setup()
    from learned.storage.hybrid import load

    learned = None if residual is None else load(residual)
    lead = None if surrogate is None else load(surrogate)
    fits: Sequence[Any] = [None]
    if len(found) > 1:
        with opening("all together") as step:
            fits = fitted(found, seed=seed, progress=step, residual=learned)
    for record, folder, best in zip(found, folders, fits, strict=True):

        def keep(rough: "Twin", folder: Path = folder) -> None:
            rough.save(folder, force=force)
            if interrupted is not None:
                interrupted(folder)

        with opening(record.id) as step:
            twin = calibrate(
                record, seed=seed, progress=step, found=best, residual=learned,
                surrogate=lead, interrupted=keep,
            )  # fmt: skip
        twin.save(folder, force=force)
        yield Fitted(record, folder, twin)


def _files(found: Sequence["Record"]) -> list[Path]:
    """Every file that the records were read from."""
    paths = [Path(record.path) for record in found if record.path]
    waves = [Path(r.path).parent / w.file for r in found if r.path for w in r.waveforms]
    return [*paths, *waves]


def _folders(found: Sequence["Record"], output: Path) -> list[Path]:
    if len(found) == 1:
        return [output]
    ids = [record.id for record in found]
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise Refused(
            f"Two patients have the id {min(twice)!r}. Give each record its own id."
        )
    return [output / name for name in ids]


def open_twin(folder: Path) -> "Twin":
    """A twin from its folder, ready to be asked."""
    import cordax
    from cordax.twins.twin import Twin

    cordax.setup()
    return Twin.load(folder)


def whatif(folder: Path, treatments: Sequence[str]) -> tuple["Scenario", "WhatIf"]:
    """Asks a twin, and keeps the answer in its folder for the report."""
    from cordax.scenarios.scenario import parse_all

    scenario = parse_all(list(treatments))
    twin = open_twin(folder)
    found = twin.whatif(scenario)
    twin.remember(found).keep(folder)
    return scenario, found


def report(folder: Path, output: Path | None = None, *, force: bool = False) -> Path:
    """Writes a twin's report; in its own folder it is written again without asking."""
    from cordax.reports.from_twin import report_data
    from cordax.reports.page import KIND, REPORT, is_report, write
    from physio.files import note_file, require_file

    target = output or folder / REPORT
    again = force or output is None
    require_file(target, KIND, is_report, force=again, inputs=[folder])
    path = write(report_data(open_twin(folder)), target)
    if output is None:
        note_file(folder, REPORT)
    return path


def export(
    folder: Path, output: Path | None = None, *, force: bool = False
) -> tuple[Path, dict[str, int]]:
    """Writes a twin's tables as CSV; the folder, and the rows of each file."""
    from cordax.reports.csv_tables import KIND, write_csv
    from cordax.reports.from_twin import report_data
    from cordax.twins.store import load
    from physio.files import require_folder

    target = output or folder.with_name(folder.name + "-csv")
    require_folder(target, KIND, force=force, inputs=[folder])
    draws = load(folder)["draws"]
    return target, write_csv(target, report_data(open_twin(folder)), draws, force)


def demo(
    output: Path, *, seed: int, opening: Opening, force: bool = False,
    interrupted: Callable[[Path], None] | None = None,
) -> tuple[Fitted, "WhatIf", Path]:  # fmt: skip
    """The embedded patient: a twin, a fluid bolus, the report's path."""
    (made,) = fit(
        records([DEMO_PATIENT]), output, seed=seed, opening=opening, force=force,
        interrupted=interrupted,
    )  # fmt: skip
    _, found = whatif(made.folder, [DEMO_TREATMENT])
    return made, found, report(made.folder)


def run_heart(
    settings: "Settings",
    output: Path,
    *,
    command: str,
    progress: Progress,
    checkpoint: Path | None = None,
    force: bool = False,
    fields: str = "vtu",
) -> "Outcome":
    """Computes a heart's activation and writes its folder; ``command`` is what the
    report says was typed."""
    import cordax

    # tissue is twice as fast on a CPU; the eikonal's program does not compile so
    cordax.setup(x64=True, fuse=not settings.eikonal)
    from cordax.ep import results
    from cordax.ep.run import compute

    outcome = compute(settings, checkpoint=checkpoint, progress=progress)
    results.write(
        outcome, output, command=command, force=force, fields=fields, progress=progress
    )
    return outcome
