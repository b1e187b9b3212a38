"""What an entry of the catalogue of measurements says, and the units at the door.

A kind of measurement is one :class:`Kind`. None of its fields has a default: whoever
adds an entry says each of them, or deliberately that there is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import hypot

from physio.units import (
    DYN_S_CM5_PER_WOOD,
    ML_PER_L,
    MMHG_PER_CMH2O,
    MMHG_PER_KPA,
    PERCENT,
    S_PER_MIN,
    WOOD_PER_MMHG_S_PER_ML,
)

ROLES = ("likelihood", "check")
SITES = ("", "aortic", "radial", "brachial", "femoral", "cuff")
METHODS = ("cuff", "catheter", "thermodilution", "fick", "pulse_contour", "echo", "mri")

#: For each internal unit: the suffixes a key may carry, and their factor to it.
UNITS: dict[str, dict[str, float]] = {
    "mmHg": {"mmhg": 1.0, "kpa": MMHG_PER_KPA, "cmh2o": MMHG_PER_CMH2O},
    "L/min": {"l_min": 1.0, "ml_s": S_PER_MIN / ML_PER_L, "ml_min": 1 / ML_PER_L},
    "L/min/m2": {"l_min_m2": 1.0, "ml_min_m2": 1 / ML_PER_L},
    "mL": {"ml": 1.0, "l": ML_PER_L},
    "mL/m2": {"ml_m2": 1.0, "l_m2": ML_PER_L},
    "%": {"percent": 1.0, "fraction": PERCENT},
    "1/min": {"bpm": 1.0, "per_min": 1.0, "hz": S_PER_MIN},
    "mmHg/s": {"mmhg_s": 1.0, "kpa_s": MMHG_PER_KPA},
    "cm2": {"cm2": 1.0, "mm2": 0.01},
    "WU": {
        "wu": 1.0,
        "dyn_s_cm5": 1 / DYN_S_CM5_PER_WOOD,
        "mmhg_s_ml": WOOD_PER_MMHG_S_PER_ML,
    },
    "year": {"years": 1.0},
    "cm": {"cm": 1.0, "m": 100.0, "mm": 0.1},
    "kg": {"kg": 1.0, "g": 1e-3},
    "m2": {"m2": 1.0},
}


#: What a relation is given: values, or with a small imaginary part for a derivative.
Number = float | complex


@dataclass(frozen=True)
class Quantity:
    """What a typed number may be, in ``unit``.

    ``low`` to ``high`` is possible in a living adult, sick ones included; ``usual`` is
    where a wrong unit is looked for.
    """

    unit: str
    low: float
    high: float
    usual: tuple[float, float]
    meaning: str


@dataclass(frozen=True)
class ModelError:
    """The model's own error: sd in the kind's unit, and as a share of the value.

    ``none_because`` where both are 0.
    """

    absolute: float
    share: float
    none_because: str = ""

    def sd(self, value: float) -> float:
        """Both parts together, in the kind's unit."""
        return hypot(self.absolute, self.share * value)


@dataclass(frozen=True)
class Relation:
    """kind = formula(of): what a kind follows from, others or the size of the body.

    The formula takes the values in the kinds' units, by arithmetic alone (it is also
    given complex numbers, for its derivative). ``within`` is the share to which a rule
    of thumb holds: 0 for an identity. ``words`` says what is known besides, or why.
    """

    of: tuple[str, ...]
    formula: Callable[..., Number]
    words: str = ""
    within: float = 0.0


@dataclass(frozen=True)
class Healthy:
    """The range of healthy adults at rest, in the kind's unit, and its source."""

    men: tuple[float, float]
    women: tuple[float, float]
    source: str

    @classmethod
    def both(cls, low: float, high: float, source: str) -> "Healthy":
        """One range for both sexes."""
        return cls((low, high), (low, high), source)

    @classmethod
    def by_sex(
        cls, men: tuple[float, float], women: tuple[float, float], source: str
    ) -> "Healthy":
        """Mean ± 2 sd, from the mean and the sd of men and of women."""
        ends = [(mean - 2.0 * sd, mean + 2.0 * sd) for mean, sd in (men, women)]
        return cls(ends[0], ends[1], source)


@dataclass(frozen=True, kw_only=True)
class Kind(Quantity):
    """One kind of measurement: all that any part of the program knows of it.

    Its error: ``sd`` is in the unit, or a share of the value where ``relative``;
    ``by_method`` has that of other methods, on the same footing; ``discrepancy`` is
    the model's; ``site_sd`` what a site away from the aorta adds, by site (None: not
    an arterial pressure).

    What it says beside others: ``relation`` (None: it follows from no other);
    ``derived``: why it is only ever a check (None: it may be fitted); ``signal``: the
    waveform it can be read off (None: none); ``below``: what it is always less than.

    In the model: ``index`` of a beat; where that is None ``without_index`` says why it
    is never compared. At the door: ``example`` for the template, and the ``aliases``
    people type. In the report: its ``title``, the ``healthy`` range, and its place
    among the ``card`` s on top (None: no card).
    """

    sd: float
    relative: bool
    by_method: Mapping[str, float]
    discrepancy: ModelError
    site_sd: Mapping[str, float] | None
    relation: Relation | None
    derived: str | None
    signal: str | None
    below: tuple[str, ...]
    index: str | None
    without_index: str | None
    example: float
    aliases: tuple[str, ...]
    title: str
    healthy: Healthy | None
    card: int | None

    @property
    def arterial(self) -> bool:
        """Whether it is measured at a site of the arterial tree."""
        return self.site_sd is not None

    def default_sd(self, value: float, method: str) -> float:
        """The standard deviation assumed where the record gives none."""
        sd = self.by_method.get(method, self.sd)
        return sd * abs(value) if self.relative else sd
