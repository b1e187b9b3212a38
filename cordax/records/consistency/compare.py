"""Two numbers that should agree, with their errors, and the sentence if they do not."""

from dataclasses import dataclass
from math import hypot

from calibration.observations.kinds import default_discrepancy
from cordax.records.record import Measurement, Record

#: Combined sd beyond which two numbers are said to contradict each other.
TOO_FAR = 3.0
#: What one method measured at one time has its errors in common: what is left between
#: an output and a stroke volume is the heart rate and the beats they were averaged over
#: (sd as a share; judgement: 3 sd are 20 %).
SAME_TEST = 1 / 15


@dataclass(frozen=True)
class Contradiction:
    """One sentence with both numbers; ``line`` where it is not that of ``key``."""

    key: str
    message: str
    fix: str
    line: int | None = None


@dataclass(frozen=True)
class Number:
    """A number computed from measurements: value, sd, and how it comes about."""

    value: float
    sd: float
    words: str

    @property
    def share(self) -> float:
        """The sd as a share of the value."""
        return self.sd / abs(self.value) if self.value else float("inf")


@dataclass(frozen=True)
class Facts:
    """The measurements of a record by kind."""

    record: Record
    known: dict[str, Measurement]

    def has(self, *kinds: str) -> bool:
        """Whether all of these were measured."""
        return all(kind in self.known for kind in kinds)

    def number(self, kind: str) -> Number:
        """A measurement with the error of the measurement and of the model."""
        m = self.known[kind]
        return Number(m.value, total_sd(m), f"{kind} {m.value:g} {unit(m)}".rstrip())

    def key(self, kind: str) -> str:
        """The key as typed."""
        return self.known[kind].source_key


def facts(record: Record) -> Facts:
    """What the rules are asked of."""
    return Facts(record, {m.kind: m for m in record.measurements})


def unit(measurement: Measurement) -> str:
    """The unit as one says it."""
    return "per minute" if measurement.unit == "1/min" else measurement.unit


def total_sd(measurement: Measurement) -> float:
    """The sd of a measurement and the default discrepancy of its kind, together."""
    m = measurement
    return hypot(m.sd, default_discrepancy(m.kind, m.site, m.value))


def combined(*sds: float) -> float:
    """Independent errors together."""
    return hypot(*sds)


def apart(one: float, other: float, sd: float) -> float:
    """By how many sd ``one`` lies above ``other`` (below: negative)."""
    return (one - other) / sd


TYPING = "Correct one if it is a typing mistake"
