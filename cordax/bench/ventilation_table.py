"""Reads a table of ventilator settings: pulse-pressure variation at each of them.

One line a patient and setting, columns named as in the study's file (``vent_rel_vt``;
Enevoldsen's perioperative recordings, MIT). Blank or NA means not measured: a row
without its setting or heart rate is left out, and told. Anything else must be a number
in the range of its unit.
"""

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cordax.cohorts import table
from cordax.cohorts.table import Column, LeftOut

#: What is read; columns beside these are not.
COLUMNS: dict[str, Column] = {
    "vent_rel_vt": Column("mL/kg", 1.0, 20.0),
    "vent_RR": Column("1/min", 5.0, 60.0),
    "PPV_gam": Column("%", 0.0, 80.0, may_be_missing=True),
    "PPV_classic": Column("%", 0.0, 80.0, may_be_missing=True),
    "heart_rate": Column("1/min", 30.0, 200.0),
}


@dataclass(frozen=True)
class VentilatorSettings:
    """One entry per line of the table; NaN where not measured.

    ``tidal_volume`` (mL/kg) and ``rate`` (1/min) as set, ``heart_rate`` (1/min),
    variation of pulse pressure by the study's and the classic definition (%), line of
    the file.
    """

    patient: np.ndarray
    tidal_volume: np.ndarray
    rate: np.ndarray
    heart_rate: np.ndarray
    variation: np.ndarray
    classic: np.ndarray
    line: np.ndarray
    left_out: LeftOut = field(default_factory=LeftOut)

    def not_scored(self, scored: np.ndarray) -> LeftOut:
        """What was left out, these lines' other ones included."""
        found = copy.deepcopy(self.left_out)
        for line, variation in zip(
            self.line[~scored], self.variation[~scored], strict=True
        ):
            lone = "its patient has no other setting with PPV_gam"
            found.add("PPV_gam is missing" if np.isnan(variation) else lone, int(line))
        return found


def read(file: str | Path) -> VentilatorSettings:
    """The settings of every patient of a file.

    Raises ``ValueError`` naming file, line and column for what is wrong in it, and
    ``FileNotFoundError`` where there is no such file.
    """
    path = Path(file)
    found = table.read(path, COLUMNS)
    seen: dict[tuple[str, float | None, float | None], int] = {}
    for line, name, values in found.rows:
        key = (name, values["vent_rel_vt"], values["vent_RR"])
        if key in seen:
            raise ValueError(
                f"{path}, line {line}, column vent_RR: patient {name} has this setting "
                f"on line {seen[key]} already. One line a setting."
            )
        seen[key] = line

    def column(name: str) -> np.ndarray:
        cells = [row.values[name] for row in found.rows]
        return np.array([math.nan if cell is None else cell for cell in cells])

    return VentilatorSettings(
        np.array([row.id for row in found.rows]),
        column("vent_rel_vt"),
        column("vent_RR"),
        column("heart_rate"),
        column("PPV_gam"),
        column("PPV_classic"),
        np.array([row.line for row in found.rows]),
        found.left_out,
    )
