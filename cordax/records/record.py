"""The patient record: one TOML file of numbers with units, and waveforms beside it.

`read(path)` gives a `Record` or raises `RecordError` with every problem found;
`problems(path)` lists them, each with its line and what to type instead.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cordax import vocabulary

Role = Literal["likelihood", "check"]
Level = Literal["error", "warning"]

#: What a record may state; further words for each stand in `cordax.vocabulary`.
CONDITIONS = tuple(vocabulary.CONDITIONS)


@dataclass(frozen=True)
class RecordProblem:
    """One thing wrong with a record: where, what, and what to type instead."""

    file: str
    line: int | None
    key: str
    message: str
    fix: str
    level: Level = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.level}: {self.message}. {self.fix}"


class RecordError(ValueError):
    """A record that cannot be used; `problems` holds every reason."""

    def __init__(self, problems: list[RecordProblem]):
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Measurement:
    """One number: in `unit`, with the sd of the measurement alone (no discrepancy).

    `role` is "check" for what follows from the other numbers: it is predicted and
    compared, never fitted. `given` tells a typed sd from a default one.
    """

    kind: str
    value: float
    sd: float
    unit: str
    site: str = ""
    method: str = ""
    source_key: str = ""
    line: int | None = None
    role: Role = "likelihood"
    given_sd: bool = False
    why: str = ""  # for a check: what it follows from


@dataclass(frozen=True)
class RecordedWaveform:
    """A signal as recorded, and its mean beat starting at the foot of the pressure.

    `time_s` and `value` are the chosen stretch; `beat_time_s` and `beat` at most 64
    points of one period, evenly spaced, without the end point.
    """

    signal: str
    site: str
    unit: str
    time_s: np.ndarray = field(repr=False)
    value: np.ndarray = field(repr=False)
    beat_time_s: np.ndarray = field(repr=False)
    beat: np.ndarray = field(repr=False)
    period_s: float
    beats: int
    beats_left_out: int
    sd: float
    role: Role
    file: str
    column: str
    line: int | None = None

    @property
    def foot_s(self) -> float:
        """Time of the foot in `beat_time_s`: the least value before the steepest rise,
        negative where the foot comes just before the first point."""
        n = self.beat.size
        rise = np.roll(self.beat, -1) - self.beat
        before = np.arange(n // 4)  # a quarter of the beat holds the whole upstroke
        foot = rise.argmax() - before[self.beat[rise.argmax() - before].argmin()]
        return float(foot * self.period_s / n)


@dataclass(frozen=True)
class Record:
    """One patient: who, what was measured, and the text it was read from."""

    id: str
    measurements: tuple[Measurement, ...]
    waveforms: tuple[RecordedWaveform, ...] = ()
    age_years: float | None = None
    sex: Literal["male", "female"] | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    conditions: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    warnings: tuple[RecordProblem, ...] = ()
    path: str = ""
    text: str = field(default="", repr=False)
    stated_body_surface_area_m2: float | None = None

    @property
    def body_surface_area_m2(self) -> float | None:
        """As stated, else Du Bois 1916: 0.007184 height^0.725 weight^0.425."""
        if self.stated_body_surface_area_m2 is not None:
            return self.stated_body_surface_area_m2
        if self.height_cm is None or self.weight_kg is None:
            return None
        return 0.007184 * self.height_cm**0.725 * self.weight_kg**0.425

    @property
    def heart_rate(self) -> float:
        """Beats per minute, typed or taken from the waveform."""
        return self.value("heart_rate")

    def value(self, kind: str) -> float:
        """The value of one kind, in its unit; KeyError where it was not measured."""
        for measurement in self.measurements:
            if measurement.kind == kind:
                return measurement.value
        have = ", ".join(m.kind for m in self.measurements)
        raise KeyError(f"{self.id} has no {kind}; it has {have}.")

    def has(self, condition: str) -> bool:
        """Whether a condition ("anaesthetised", "hfref") is stated."""
        return condition in self.conditions

    def likelihood(self) -> tuple[Measurement, ...]:
        """The independent measurements: those a fit may use."""
        return tuple(m for m in self.measurements if m.role == "likelihood")

    def checks(self) -> tuple[Measurement, ...]:
        """Those that follow from others: predicted and compared only."""
        return tuple(m for m in self.measurements if m.role == "check")

    def payload(self) -> dict[str, Any]:
        """A plain nested dict for the twin folder; `from_payload` reads it back."""
        from dataclasses import asdict

        plain = asdict(self)
        plain["measurements"] = list(plain["measurements"])
        plain["waveforms"] = list(plain["waveforms"])
        plain["warnings"] = list(plain["warnings"])
        plain["conditions"] = list(self.conditions)
        return plain


def from_payload(plain: dict[str, Any]) -> Record:
    """A Record out of what `Record.payload` gave."""
    parts = dict(plain)
    parts["measurements"] = tuple(Measurement(**m) for m in parts["measurements"])
    parts["waveforms"] = tuple(RecordedWaveform(**w) for w in parts["waveforms"])
    parts["warnings"] = tuple(RecordProblem(**p) for p in parts["warnings"])
    parts["conditions"] = tuple(parts["conditions"])
    return Record(**parts)
