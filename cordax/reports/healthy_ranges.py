"""Ranges of healthy adults at rest, shown beside the indices of a report.

Ranges as published. Those of what can be measured stand in the catalogue of
measurements; here are those of the other indices. Where the sex is not known the range
spans both.
"""

from calibration.observations.catalogue import BIOBANK, CATHETER
from calibration.observations.entry import Healthy
from calibration.observations.kinds import healthy

_OTHERS = {
    "rv_systolic_pressure": Healthy.both(15.0, 25.0, CATHETER),
    "rv_end_diastolic_pressure": Healthy.both(1.0, 8.0, CATHETER),
    "lv_stroke_volume": Healthy.by_sex((96.0, 20.0), (75.0, 14.0), BIOBANK),
    "ra_maximum_volume": Healthy.by_sex((93.0, 27.0), (69.0, 17.0), BIOBANK),
}


def published(index: str, sex: str | None) -> tuple[tuple[float, float], str] | None:
    """Range (in the index's unit) and source, or None where none is known."""
    known = healthy(index) or _OTHERS.get(index)
    if known is None:
        return None
    sexes = {"male": [known.men], "female": [known.women]}
    chosen = sexes.get(sex or "", [known.men, known.women])
    return (min(c[0] for c in chosen), max(c[1] for c in chosen)), known.source
