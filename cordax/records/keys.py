"""What can be measured in a patient: kinds, units at the door, ranges, default sd.

A key of a patient record is a kind and a unit, `systolic_pressure_mmhg`; inside, every
kind has one unit, that of the clinic's tables. Ranges are those in which a living
adult has been seen, sick ones included: a value outside them is a typing mistake.
What is known of each kind stands in `calibration.observations.catalogue`.
"""

from collections.abc import Mapping

from calibration.observations.kinds import UNITS, Quantity, aliases

SITES = ("aortic", "radial", "brachial", "femoral", "cuff")


PATIENT: Mapping[str, Quantity] = {
    "age": Quantity("year", 18.0, 110.0, (18.0, 110.0), "age"),
    "height": Quantity("cm", 120.0, 230.0, (140.0, 210.0), "height"),
    "weight": Quantity("kg", 30.0, 300.0, (40.0, 160.0), "weight"),
    "body_surface_area": Quantity("m2", 1.0, 3.5, (1.2, 2.6), "body surface area"),
}

#: What people type for a line of [patient].
_OF_PATIENT = {"bsa": "body_surface_area"}


def meant(word: str) -> str | None:
    """The kind that people call by a short word ("map"), so that a message names it."""
    return (aliases() | _OF_PATIENT).get(word.lower())


def split_key(key: str, kinds: Mapping[str, Quantity]) -> tuple[str, str, bool] | None:
    """`systolic_pressure_sd_mmhg` -> (kind, unit suffix, whether it is the sd)."""
    for name, kind in kinds.items():
        if not key.startswith(name + "_"):
            continue
        rest = key[len(name) + 1 :]
        is_sd = rest.startswith("sd_")
        suffix = rest[3:] if is_sd else rest
        if suffix in UNITS[kind.unit] or (is_sd and suffix == "percent"):
            return name, suffix, is_sd
    return None


def convert(value: float, suffix: str, unit: str) -> float:
    """A typed value in the kind's internal unit."""
    return value * UNITS[unit][suffix]


def likely_unit(value: float, typed: str, kind: Quantity) -> str | None:
    """The suffix under which an impossible value would be a usual one, if any."""
    low, high = kind.usual
    for suffix, factor in UNITS[kind.unit].items():
        if suffix != typed and low <= value * factor <= high:
            return suffix
    return None


def default_suffix(unit: str) -> str:
    """The suffix of a kind's own unit: "mmHg" -> "mmhg"."""
    return next(iter(UNITS[unit]))
