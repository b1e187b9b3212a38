"""Treatments as a user types them: name, unit, meaning and range. Loads no JAX.

`cordax.scenarios.names` holds the objects behind these names; here is what `--help` and
error messages say about them, and the conversion of doses. What treatments are called
elsewhere stands in `cordax.vocabulary`.
"""

import math
import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Dose:
    """How a treatment's dose is typed; `none` is the dose that changes nothing.

    `low` to `high`, in `unit`, is where an adult's dose lies (judgement of this
    project): what is outside is a typing mistake, and `hint` says which is usual.
    """

    unit: str
    meaning: str
    example: str
    none: float | None = 0.0
    low: float = 0.0
    high: float = math.inf
    hint: str = ""


DOSES: dict[str, Dose] = {
    "fluid_bolus": Dose(
        "mL", "crystalloid infused into the veins", "500mL", low=10.0, high=6000.0
    ),
    "haemorrhage": Dose("mL", "blood lost", "500mL", low=10.0, high=5000.0),
    "vasodilator": Dose(
        "1", "multiplies systemic resistance", "0.8", 1.0, low=0.3, high=1.0
    ),
    "vasopressor": Dose(
        "1", "multiplies systemic resistance and constricts the veins", "1.3", 1.0,
        low=1.0, high=4.0,
    ),
    "inotrope": Dose(
        "1", "multiplies the strength of both ventricles", "1.3", 1.0,
        low=0.4, high=3.0,
    ),
    "beta_blocker": Dose(
        "1", "dose of a beta-blocker; 1 is standard", "1", high=3.0,
        hint="A dose in mg is not understood; 1 is a standard daily dose.",
    ),
    "heart_rate": Dose(
        "1/min", "sets the heart rate", "90bpm", None, low=25.0, high=250.0
    ),
    "valve_replacement": Dose(
        "cm2", "aortic prosthesis of this effective area, competent", "1.8cm2", None,
        low=0.5, high=4.0,
        hint="A prosthesis's labelled size in mm is not its effective area.",
    ),
    "valve_repair": Dose(
        "1", "takes away this share of mitral regurgitation", "0.9", high=1.0
    ),
    "peep": Dose("cmH2O", "positive end-expiratory pressure", "10cmH2O", high=40.0),
    "lvad": Dose(
        "rpm", "speed of a left ventricular assist pump", "9000rpm", None,
        low=1000.0, high=20000.0,
    ),
}  # fmt: skip

#: What a dose in the other direction is called.
_OPPOSITE = {
    "vasodilator": "vasopressor",
    "vasopressor": "vasodilator",
    "fluid_bolus": "haemorrhage",
    "haemorrhage": "fluid_bolus",
}


@cache
def _typed_units() -> dict[str, tuple[str, float]]:
    """Typed unit (lower case, without spaces) -> dimension and factor."""
    from physio.units import ML_PER_L, MMHG_PER_CMH2O, MMHG_PER_KPA, PERCENT, S_PER_MIN

    volume = {"ml": 1.0, "cc": 1.0, "l": ML_PER_L, "dl": 0.1 * ML_PER_L, "cl": 10.0}
    words = {"milliliter": 1.0, "millilitre": 1.0, "liter": ML_PER_L, "litre": ML_PER_L}
    words |= {f"{word}s": factor for word, factor in words.items()}
    rate = dict.fromkeys(("1/min", "/min", "bpm", "min-1", "beats/min"), 1.0)
    dimensions = {
        "volume": volume | words,
        "pressure": {
            "mmhg": 1.0,
            "cmh2o": MMHG_PER_CMH2O,
            "mbar": MMHG_PER_KPA / 10,
            "hpa": MMHG_PER_KPA / 10,
            "kpa": MMHG_PER_KPA,
        },
        "rate": rate | {"hz": S_PER_MIN},
        "turns": {"rpm": 1.0, "krpm": 1000.0},
        "area": {"cm2": 1.0, "cm^2": 1.0, "mm2": 0.01, "mm^2": 0.01},
        "number": {"1": 1.0, "x": 1.0, "%": 1 / PERCENT, "percent": 1 / PERCENT},
    }
    return {
        unit: (dimension, factor)
        for dimension, units in reversed(dimensions.items())
        for unit, factor in units.items()
    }


def convert(name: str, text: str) -> float:
    """A typed dose ("0.5 L") in the treatment's own unit; ValueError says what to type.

    A number without a unit is taken in the treatment's unit.
    """
    number, typed = _split(name, text)
    unit = typed.lower().replace(" ", "").replace("²", "2").replace("₂", "2")
    value = number * _factor(name, text, typed, unit)
    if value < 0:
        raise ValueError(_negative(name, text, value))
    share = unit in ("%", "percent")
    if DOSES[name].none == 1.0:
        _refuse_multiplier(name, text, value, share)
    _refuse_outside(name, text, value, guess=not unit)
    return value


def _typed(name: str, value: float) -> str:
    """The line to type: "fluid_bolus=500mL"."""
    return f"{name}={value:g}{DOSES[name].unit.removeprefix('1')}"


def _split(name: str, text: str) -> tuple[float, str]:
    """Number and unit as typed; a comma is a decimal one where it can be no other."""
    pattern = r"\s*[x×]?\s*([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(.*)"
    match = re.fullmatch(pattern, text)
    if not match:
        raise ValueError(
            f"{name}={text}: the dose is not a number. Type, for example, "
            f"{name}={DOSES[name].example}"
        )
    number, unit = match.groups()
    if re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", number):
        whole, point = number.replace(",", ""), number.replace(",", ".").rstrip("0")
        raise ValueError(
            f"{name}={text}: does {number} mean {whole} or {point}? Type "
            f"{name}={whole}{unit} or {name}={point.rstrip('.')}{unit}"
        )
    return float(number.replace(",", ".")), unit


def _factor(name: str, text: str, typed: str, unit: str) -> float:
    """What a number in the typed unit is multiplied with."""
    dose, units = DOSES[name], _typed_units()
    own, size = units[dose.unit.lower()]
    if name == "lvad" and unit == "/min":
        return 1.0
    dimension, factor = units.get(unit, ("", 0.0)) if unit else (own, size)
    if dimension != own:
        per_weight = "Multiply with the weight. " if unit.endswith("/kg") else ""
        hint = f"{dose.hint} " if dose.hint else ""
        raise ValueError(
            f"{name}={text}: the unit {typed!r} does not fit; {name} ({dose.meaning}) "
            f"is typed {_as_typed(dose)}. "
            f"{hint}{per_weight}Type, for example, {name}={dose.example}"
        )
    return factor / size


def _negative(name: str, text: str, value: float) -> str:
    fix = f"Type, for example, {name}={DOSES[name].example}"
    other = _OPPOSITE.get(name, name)
    if DOSES[name].none == 1.0:
        lower = name if DOSES[name].low < 1.0 else other
        fix = f"{-100 * value:.3g} % less is typed {lower}={1 + value:g}"
    elif name in _OPPOSITE:
        fix = f"Type {_typed(other, -value)} for that, or leave the sign out."
    return f"{name}={text}: the dose cannot be negative. {fix}"


def _as_typed(dose: Dose) -> str:
    return "as a plain number" if dose.unit == "1" else f"in {dose.unit}"


def _changes(name: str, change: float) -> list[str]:
    """The lines that raise or lower by a share what a factor multiplies."""
    dose = DOSES[name]
    both = ((1.0 + change, "more"), (1.0 - change, "less"))
    return [
        f"{name}={factor:g} for {100 * change:.3g} % {way}"
        for factor, way in both
        if change > 0 and dose.low <= factor <= dose.high
    ]


def _refuse_multiplier(name: str, text: str, value: float, share: bool) -> None:
    """A factor the wrong way round, or a percentage that may mean a change."""
    dose, percent = DOSES[name], f"{100 * value:.3g} %"
    outside = not dose.low <= value <= dose.high
    meant = _changes(name, value)
    if share and value < 1.0 and meant and abs(1.0 - 2.0 * value) > 1e-9:
        left = f"{name}={value:g} where {percent} is left"
        raise ValueError(
            f"{name}={text}: {percent} of what there is, or {percent} more or less? "
            f"Type {', or '.join(meant if outside else [*meant, left])}"
        )
    other = _OPPOSITE.get(name)
    if other and outside and DOSES[other].low <= value <= DOSES[other].high:
        way = "raise" if value > 1.0 else "lower"
        fixes = [f"{other}={value:g} for that", *_changes(name, abs(1.0 - value))]
        raise ValueError(
            f"{name}={text}: this would {way} systemic resistance by "
            f"{100 * abs(1.0 - value):.3g} %. Type {', or '.join(fixes)}"
        )


def _refuse_outside(name: str, text: str, value: float, *, guess: bool) -> None:
    dose = DOSES[name]
    if dose.low <= value <= dose.high or value == dose.none:
        return
    unit = dose.unit.removeprefix("1")
    message = f"{name}={text}: {name} is from {dose.low:g} to {dose.high:g} {unit}"
    message = f"{message.strip()}. {dose.hint}".strip()
    if dose.none == 1.0:
        fixes = _changes(name, value if value < 1.0 else value / 100)
        if fixes:
            raise ValueError(f"{message} Type {', or '.join(fixes)}")
    meant = _other_unit(name, value) if guess else None
    if meant:
        raise ValueError(f"{message} {meant}")
    raise ValueError(f"{message} Type, for example, {name}={dose.example}")


def _other_unit(name: str, value: float) -> str | None:
    """The unit in which an impossible number would be a dose, with the line to type."""
    dose = DOSES[name]
    own, size = _typed_units()[dose.unit.lower()]
    for typed, (dimension, factor) in _typed_units().items():
        meant = value * factor / size
        if dimension == own and dose.low <= meant <= dose.high and meant > 0.05:
            shown = {"l": "L", "hz": "Hz"}.get(typed, typed)
            return f"If {value:g} {shown} is meant, type {_typed(name, meant)}"
    return None


def describe() -> list[tuple[str, str, str, str]]:
    """Rows (name, unit, meaning, example) for `--help` and the documentation."""
    return [
        (name, "number" if d.unit == "1" else d.unit, d.meaning, f"{name}={d.example}")
        for name, d in DOSES.items()
    ]
