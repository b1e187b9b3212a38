"""Conditions that exclude each other, and numbers that contradict a condition."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from cordax.records.consistency.compare import (
    TOO_FAR,
    TYPING,
    Contradiction,
    Facts,
    apart,
)

#: How a patient was measured; every other condition but "healthy" is a circulation.
_MANNER = ("awake", "anaesthetised", "ventilated")
_OPPOSITE = (
    ("awake", "anaesthetised"),
    ("hypertension", "sepsis"),
    ("hypertension", "haemorrhage"),
    ("hfref", "hfpef"),
)


@dataclass(frozen=True)
class Bound:
    """Where a condition expects a number, in the kind's unit."""

    kind: str
    low: float | None = None
    high: float | None = None

    def words(self) -> str:
        """ "at most 40"."""
        return (
            f"at least {self.low:g}" if self.high is None else f"at most {self.high:g}"
        )

    def beyond(self, value: float, sd: float) -> float:
        """By how many sd a value lies outside; 0 or less inside."""
        if self.low is not None:
            return apart(self.low, value, sd)
        return apart(value, self.high or 0.0, sd)


_EHF = "McDonagh 2021, 10.1093/eurheartj/ehab368"
_BP = "Williams 2018, 10.1093/eurheartj/ehy339"
_PH = "Humbert 2022, 10.1093/eurheartj/ehac237"
_AS = "Baumgartner 2017, 10.1016/j.echo.2017.02.009"
_EF, _SBP, _DBP = "lv_ejection_fraction", "systolic_pressure", "diastolic_pressure"
_MPAP, _WEDGE = "pulmonary_mean_pressure", "wedge_pressure"
_MEAN, _PEAK = "aortic_valve_mean_gradient", "aortic_valve_peak_gradient"

#: Condition -> alternatives of which one is enough, and the source.
EXPECTED: tuple[tuple[str, tuple[Bound, ...], str], ...] = (
    ("hfref", (Bound(_EF, high=40.0),), _EHF),
    ("hfpef", (Bound(_EF, low=50.0),), _EHF),
    ("hypertension", (Bound(_SBP, low=140.0), Bound(_DBP, low=90.0)), _BP),
    ("sepsis", (Bound(_SBP, high=140.0),), "Singer 2016, 10.1001/jama.2016.0287"),
    ("haemorrhage", (Bound(_SBP, high=140.0),), "ATLS 2018, table 3-1"),
    ("pulmonary_arterial_hypertension", (Bound(_MPAP, low=20.0),), _PH),
    ("pulmonary_arterial_hypertension", (Bound(_WEDGE, high=15.0),), _PH),
    (
        "aortic_stenosis",
        (Bound(_PEAK, low=25.0), Bound(_MEAN, low=10.0),
         Bound("aortic_valve_area", high=2.0)),
        _AS,
    ),
    ("healthy", (Bound(_EF, low=50.0),), "Lang 2015, 10.1016/j.echo.2014.10.003"),
    ("healthy", (Bound(_SBP, high=140.0),), _BP),
    ("healthy", (Bound(_DBP, high=90.0),), _BP),
    ("healthy", (Bound(_MPAP, high=20.0),), _PH),
    ("healthy", (Bound(_WEDGE, high=15.0),), _PH),
    ("healthy", (Bound(_MEAN, high=10.0),), _AS),
)  # fmt: skip

#: What frees a parameter has to be named, or another takes the blame in the fit.
_UNNAMED = (("aortic_stenosis", _MEAN, 20.0), ("aortic_stenosis", _PEAK, 36.0))


def together(facts: Facts) -> Iterator[Contradiction]:
    """Conditions that cannot be at once."""
    stated = facts.record.conditions
    for pair in combinations(stated, 2):
        opposite = pair in _OPPOSITE or pair[::-1] in _OPPOSITE
        ill = [name for name in pair if name not in (*_MANNER, "healthy")]
        if opposite or ("healthy" in pair and ill):
            yield Contradiction(
                "condition",
                f"condition names {pair[0]} and {pair[1]}, which contradict each other",
                "Keep what is so now.",
            )


def several(facts: Facts) -> Iterator[Contradiction]:
    """Circulations beyond the first, of which the fit makes nothing."""
    stated = facts.record.conditions
    circulations = [name for name in stated if name not in (*_MANNER, "healthy")]
    if len(circulations) > 1:
        yield Contradiction(
            "condition",
            f"condition names {len(circulations)} circulations, "
            f"{', '.join(circulations)}: the fit starts from {circulations[0]} and "
            "frees the parameters of that one only",
            "Put first what matters most.",
        )


def expected(facts: Facts) -> Iterator[Contradiction]:
    """Numbers that a stated condition excludes, all that could bear it out."""
    for condition, bounds, source in EXPECTED:
        if not facts.record.has(condition):
            continue
        known = [bound for bound in bounds if facts.has(bound.kind)]
        numbers = [facts.number(bound.kind) for bound in known]
        far = [b.beyond(n.value, n.sd) for b, n in zip(known, numbers, strict=True)]
        if not known or min(far) <= TOO_FAR:
            continue
        seen = " and ".join(number.words for number in numbers)
        wanted = " or ".join(
            f"{bound.kind} {bound.words()} {facts.known[bound.kind].unit}"
            for bound in known
        )
        yield Contradiction(
            facts.key(known[0].kind),
            f"{seen} with condition {condition!r}: expected {wanted} ({source}); "
            f"{min(far):.1f} sd beyond",
            f"{TYPING}, or type the condition that is so now.",
        )


def unnamed(facts: Facts) -> Iterator[Contradiction]:
    """A gradient of a stenosis that no condition names."""
    for condition, kind, most in _UNNAMED:
        if facts.record.has(condition) or not facts.has(kind):
            continue
        number = facts.number(kind)
        if apart(number.value, most, number.sd) > TOO_FAR:
            yield Contradiction(
                facts.key(kind),
                f"{number.words} is that of an {condition.replace('_', ' ')} (above "
                f"{most:g} mmHg, {_AS}), which condition does not name: the valve's "
                "area is then not fitted",
                f'Type condition = "{condition}". {TYPING}.',
            )
            return
