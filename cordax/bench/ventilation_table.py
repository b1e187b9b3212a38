"""Reads a table of ventilator settings: pulse-pressure variation at each of them.

One line a patient and setting, columns named as in the study's file (``vent_rel_vt``;
Enevoldsen's perioperative recordings, MIT). Blank or NA means not measured; anything
else must be a number in the range of its unit.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Column(NamedTuple):
    """Unit, and the values that are not taken for a wrong unit."""

    unit: str
    least: float
    most: float
    may_be_missing: bool = False


#: What is read; columns beside these are not.
COLUMNS: dict[str, Column] = {
    "vent_rel_vt": Column("mL/kg", 1.0, 20.0),
    "vent_RR": Column("1/min", 5.0, 60.0),
    "PPV_gam": Column("%", 0.0, 80.0, may_be_missing=True),
    "PPV_classic": Column("%", 0.0, 80.0, may_be_missing=True),
    "heart_rate": Column("1/min", 30.0, 200.0),
}


@dataclass(frozen=True)
class Settings:
    """One entry per line of the table; NaN where not measured.

    ``tidal_volume`` (mL/kg) and ``rate`` (1/min) as set, ``heart_rate`` (1/min),
    variation of pulse pressure by the study's and the classic definition (%).
    """

    patient: np.ndarray
    tidal_volume: np.ndarray
    rate: np.ndarray
    heart_rate: np.ndarray
    variation: np.ndarray
    classic: np.ndarray


def _number(path: Path, line: int, name: str, text: str | None) -> float:
    column = COLUMNS[name]
    cell = (text or "").strip()
    where = f"{path}, line {line}, column {name}"
    if cell.upper() in ("", "NA"):
        if column.may_be_missing:
            return math.nan
        raise ValueError(
            f"{where}: a value in {column.unit} is wanted; there is none. "
            "Remove the line or fill it in."
        )
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(
            f"{where}: {cell!r} is not a number. Type a value in {column.unit}."
        ) from None
    if not math.isfinite(value):
        raise ValueError(f"{where}: {cell!r} is not a measurement. Type NA if missing.")
    if not column.least <= value <= column.most:
        raise ValueError(
            f"{where}: {value:g} lies outside {column.least:g} to {column.most:g} "
            f"{column.unit}. Is it in {column.unit}?"
        )
    return value


def _lines(path: Path) -> csv.DictReader:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8.") from None
    reader = csv.DictReader(lines)
    missing = [c for c in ("id", *COLUMNS) if c not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(
            f"{path}, line 1: column {missing[0]} is missing"
            + (f", and {', '.join(missing[1:])}. " if missing[1:] else ". ")
            + "Separate columns by commas."
        )
    return reader


def read(file: str | Path) -> Settings:
    """The settings of every patient of a file.

    Raises ``ValueError`` naming file, line and column for what is wrong in it, and
    ``FileNotFoundError`` where there is no such file.
    """
    path = Path(file)
    reader = _lines(path)
    ids: list[str] = []
    rows: list[list[float]] = []
    seen: dict[tuple[str, float, float], int] = {}
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise ValueError(
                f"{path}, line {line}: its number of columns differs from the header's."
            )
        name = row["id"].strip()
        if not name:
            raise ValueError(f"{path}, line {line}, column id: the patient has no id.")
        values = [_number(path, line, column, row[column]) for column in COLUMNS]
        key = (name, values[0], values[1])
        if key in seen:
            raise ValueError(
                f"{path}, line {line}, column vent_RR: patient {name} has this setting "
                f"on line {seen[key]} already. One line a setting."
            )
        seen[key] = line
        ids.append(name)
        rows.append(values)
    if not rows:
        raise ValueError(f"{path}, line 2: the table has no line.")
    volume, rate, smooth, classic, heart = np.array(rows).T
    return Settings(np.array(ids), volume, rate, heart, smooth, classic)
