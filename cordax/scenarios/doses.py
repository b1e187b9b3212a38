"""Treatments as a user types them: name, unit of the dose, meaning. Loads no JAX.

`cordax.scenarios.names` holds the objects behind these names; here is what `--help` and
error messages say about them, and the conversion of doses.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Dose:
    """How a treatment's dose is typed; `none` is the dose that changes nothing."""

    unit: str
    meaning: str
    example: str
    none: float | None = 0.0


DOSES: dict[str, Dose] = {
    "fluid_bolus": Dose("mL", "crystalloid infused into the veins", "500mL"),
    "haemorrhage": Dose("mL", "blood lost", "500mL"),
    "vasodilator": Dose("1", "multiplies systemic resistance", "0.8", 1.0),
    "vasopressor": Dose(
        "1", "multiplies systemic resistance and constricts the veins", "1.3", 1.0
    ),
    "inotrope": Dose("1", "multiplies the strength of both ventricles", "1.3", 1.0),
    "beta_blocker": Dose("1", "dose of a beta-blocker; 1 is standard", "1"),
    "heart_rate": Dose("1/min", "sets the heart rate", "90bpm", None),
    "valve_replacement": Dose(
        "cm2", "aortic prosthesis of this effective area, competent", "1.8cm2", None
    ),
    "valve_repair": Dose(
        "1", "takes away this share of mitral regurgitation", "0.9", 0.0
    ),
    "peep": Dose("cmH2O", "positive end-expiratory pressure", "10cmH2O"),
    "lvad": Dose("rpm", "speed of a left ventricular assist pump", "8000rpm", None),
}


def _typed_units() -> dict[str, tuple[str, float]]:
    """Typed unit (lower case, without spaces) -> dimension and factor."""
    from physio.units import ML_PER_L, MMHG_PER_CMH2O, MMHG_PER_KPA, PERCENT, S_PER_MIN

    return {
        "ml": ("volume", 1.0),
        "cc": ("volume", 1.0),
        "l": ("volume", ML_PER_L),
        "mmhg": ("pressure", 1.0),
        "cmh2o": ("pressure", MMHG_PER_CMH2O),
        "mbar": ("pressure", MMHG_PER_KPA / 10),
        "hpa": ("pressure", MMHG_PER_KPA / 10),
        "kpa": ("pressure", MMHG_PER_KPA),
        "1/min": ("rate", 1.0),
        "/min": ("rate", 1.0),
        "bpm": ("rate", 1.0),
        "hz": ("rate", S_PER_MIN),
        "rpm": ("turns", 1.0),
        "cm2": ("area", 1.0),
        "cm^2": ("area", 1.0),
        "mm2": ("area", 0.01),
        "1": ("number", 1.0),
        "x": ("number", 1.0),
        "%": ("number", 1 / PERCENT),
    }


def convert(name: str, text: str) -> float:
    """A typed dose ("0.5 L") in the treatment's own unit; ValueError says what to type.

    A number without a unit is taken in the treatment's unit.
    """
    dose = DOSES[name]
    example = f"{name}={dose.example}"
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)", text)
    if not match:
        raise ValueError(
            f"{name}={text}: the dose is not a number. Type, for example, {example}"
        )
    value, typed = float(match.group(1)), match.group(2).lower().replace(" ", "")
    units = _typed_units()
    own, size = units[dose.unit.lower()]
    dimension, factor = units.get(typed, ("", 0.0)) if typed else (own, size)
    if dimension != own:
        raise ValueError(
            f"{name}={text}: the unit {match.group(2)!r} does not fit; {name} "
            f"{dose.meaning} in {'a plain number' if dose.unit == '1' else dose.unit}. "
            f"Type, for example, {example}"
        )
    if value < 0:
        more = " A share of 20 % less is typed 0.8." if dose.none == 1.0 else ""
        raise ValueError(
            f"{name}={text}: the dose cannot be negative.{more} Type, for example, "
            f"{example}"
        )
    return value * factor / size


def describe() -> list[tuple[str, str, str, str]]:
    """Rows (name, unit, meaning, example) for `--help` and the documentation."""
    return [
        (name, "number" if d.unit == "1" else d.unit, d.meaning, f"{name}={d.example}")
        for name, d in DOSES.items()
    ]
