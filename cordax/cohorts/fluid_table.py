"""Reads a table of fluid challenges: what was measured before, and after.

One line a patient, columns named as in the study's file (``MAP_pre_fluid_avg``;
Enevoldsen's perioperative recordings, MIT). Blank or NA means not measured; anything
else must be a number in the range of its unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cordax.cohorts import table
from cordax.cohorts.table import Column, LeftOut, Row

#: By the column's start.
RANGES: dict[str, Column] = {
    "SV": Column("mL", 10.0, 250.0, may_be_missing=True),
    "SVI": Column("mL/m2", 5.0, 130.0, may_be_missing=True),
    "CI": Column("L/min/m2", 0.5, 12.0, may_be_missing=True),
    "MAP": Column("mmHg", 20.0, 200.0, may_be_missing=True),
    "PP": Column("mmHg", 5.0, 180.0, may_be_missing=True),
    "CVP": Column("mmHg", -5.0, 45.0, may_be_missing=True),
    "SVV": Column("%", 0.1, 70.0, may_be_missing=True),
}
#: Without these before the fluid a patient cannot be calibrated, and is left out.
NEEDED = ("SV", "SVI", "CI", "MAP")
#: Predicted after the fluid.
PREDICTED = {"map": "MAP", "sv": "SV", "cvp": "CVP"}
_HEART_RATE = (20.0, 240.0)
_BODY_SURFACE = (0.8, 3.5)


@dataclass(frozen=True)
class Patient:
    """One line: values before the fluid and after it, None where not measured."""

    id: str
    line: int
    before: dict[str, float | None]
    after: dict[str, float | None]

    def measured(self, name: str) -> float:
        """A value before the fluid that ``NEEDED`` guarantees."""
        value = self.before[name]
        if value is None:
            raise ValueError(f"Patient {self.id} has no {name} before the fluid.")
        return value

    @property
    def heart_rate(self) -> float:
        """Beats per minute: cardiac index over stroke volume index."""
        return 1000.0 * self.measured("CI") / self.measured("SVI")

    @property
    def body_surface(self) -> float:
        """m^2: stroke volume over its index."""
        return self.measured("SV") / self.measured("SVI")


def _columns() -> dict[str, Column]:
    before = {f"{name}_pre_fluid_avg": about for name, about in RANGES.items()}
    after = {f"{n}_post_fluid_avg": RANGES[n] for n in PREDICTED.values()}
    return before | after


def _patient(path: Path, row: Row) -> Patient:
    def cells(names: Iterable[str], when: str) -> dict[str, float | None]:
        return {n: row.values[f"{n}_{when}_fluid_avg"] for n in names}

    before, after = cells(RANGES, "pre"), cells(PREDICTED.values(), "post")
    found = Patient(row.id, row.line, before, after)
    if complete(found):
        _check_body(path, found)
    return found


def _check_body(path: Path, patient: Patient) -> None:
    """Heart rate and body surface follow from three columns: are they a person's?"""
    for value, (least, most), unit, columns in (
        (
            patient.heart_rate,
            _HEART_RATE,
            "/min",
            "CI_pre_fluid_avg (L/min/m2) and SVI",
        ),
        (patient.body_surface, _BODY_SURFACE, "m2", "SV_pre_fluid_avg (mL) and SVI"),
    ):
        if not least <= value <= most:
            raise ValueError(
                f"{path}, line {patient.line}, columns {columns}_pre_fluid_avg (mL/m2) "
                f"give {value:.4g} {unit}; {least:g} to {most:g} is possible. "
                "Check their units."
            )


def complete(patient: Patient) -> bool:
    """Whether everything needed for a calibration was measured."""
    return all(patient.before[name] is not None for name in NEEDED)


def read(file: str | Path) -> list[Patient]:
    """Every patient of a file, those that cannot be calibrated included.

    Raises ``ValueError`` naming file, line and column for what is wrong in it, and
    ``FileNotFoundError`` where there is no such file.
    """
    return _read(Path(file))[0]


def cohort(file: str | Path) -> tuple[list[Patient], LeftOut]:
    """The patients that can be calibrated, and the rows left out with their reasons.

    Raises as ``read``, and where none is left.
    """
    path = Path(file)
    patients, left_out = _read(path)
    for patient in patients:
        missing = [name for name in NEEDED if patient.before[name] is None]
        if missing:
            left_out.add(f"{missing[0]}_pre_fluid_avg is missing", patient.line)
    return [patient for patient in patients if complete(patient)], left_out


def _read(path: Path) -> tuple[list[Patient], LeftOut]:
    found = table.read(path, _columns())
    patients = [_patient(path, row) for row in found.rows]
    _check_ids(path, patients)
    return patients, found.left_out


def _check_ids(path: Path, patients: list[Patient]) -> None:
    if not any(map(complete, patients)):
        raise ValueError(
            f"{path}: no patient has {', '.join(NEEDED)} before the fluid; nothing "
            "can be predicted."
        )
    seen: dict[str, int] = {}
    for patient in patients:
        if patient.id in seen:
            raise ValueError(
                f"{path}, line {patient.line}, column id: {patient.id!r} is already "
                f"on line {seen[patient.id]}. One line a patient."
            )
        seen[patient.id] = patient.line
