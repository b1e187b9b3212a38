"""Reads a table of ventilator settings: pulse-pressure variation at each of them.

One line a patient and setting, columns named as in the study's file (``vent_rel_vt``;
Enevoldsen's perioperative recordings, MIT). Blank or NA means not measured; anything
else must be a number in the range of its unit.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cordax.cohorts import table
from cordax.cohorts.table import Column

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


def read(file: str | Path) -> Settings:
    """The settings of every patient of a file.

    Raises ``ValueError`` naming file, line and column for what is wrong in it, and
    ``FileNotFoundError`` where there is no such file.
    """
    path = Path(file)
    ids: list[str] = []
    rows: list[list[float]] = []
    seen: dict[tuple[str, float, float], int] = {}
    for line, row in table.rows(path, ("id", *COLUMNS)):
        name = row["id"]
        cells = [table.number(path, line, c, COLUMNS[c], row[c]) for c in COLUMNS]
        values = [math.nan if cell is None else cell for cell in cells]
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
