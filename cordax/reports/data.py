"""What a report shows: rows, panels and tables as plain values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.observations.kinds import cards
from calibration.sampling.interval import Interval
from cordax.twins.learned_range import InputRow
from cordax.twins.what_if import ChangeRow

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ObservationRow:
    """A measurement beside what the twin predicts for it.

    `residual` = (value - predicted median) / sqrt(sd^2 + discrepancy^2), in sd;
    `role` is "likelihood" (fitted) or "check" (only compared).
    """

    name: str
    value: float
    sd: float
    unit: str
    predicted: Interval
    residual: float
    discrepancy_sd: float = 0.0
    role: str = "likelihood"
    note: str = ""


@dataclass(frozen=True)
class WaveformPanel:
    """One signal over one beat: the recording, if any, and the posterior band."""

    title: str
    unit: str
    time_s: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    data_time_s: np.ndarray | None = None
    data: np.ndarray | None = None
    rmse: float | None = None
    fitted: bool = False


@dataclass(frozen=True)
class LoopPanel:
    """Pressure-volume loops of a chamber: (n_draw, n_t) in mL and mmHg.

    The first draw is the one drawn strongly: the best fit.
    """

    title: str
    volume: np.ndarray
    pressure: np.ndarray
    after_volume: np.ndarray | None = None
    after_pressure: np.ndarray | None = None
    after_title: str = ""


@dataclass(frozen=True)
class IndexRow:
    """A clinical index with its interval and, where known, the published range."""

    name: str
    unit: str
    value: Interval
    published: tuple[float, float] | None = None
    source: str = ""
    measured: bool = False


@dataclass(frozen=True)
class ParameterRow:
    """A free parameter before and after the data: `sd_ratio` = posterior / prior sd."""

    name: str
    unit: str
    prior: Interval
    posterior: Interval
    sd_ratio: float
    meaning: str = ""
    source: str = ""

    @property
    def prior_only(self) -> bool:
        """Whether the data said next to nothing: the sd fell by less than a tenth."""
        return self.sd_ratio > 0.9


@dataclass(frozen=True)
class WhatIfTable:
    """What a treatment does; `reflex` says on, off or blunted, with the loop gain."""

    title: str
    reflex: str
    rows: tuple[ChangeRow, ...]
    note: str = ""


@dataclass(frozen=True)
class DiagnosticRow:
    """One number that says whether the computation can be trusted."""

    name: str
    value: str
    good: bool | None = None
    meaning: str = ""


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows. Empty parts leave their section out.

    `patient` are lines of the first table; `verdict` is said in words at the top;
    `loop_gain` is the reflex's, as text; `headline` names the indices of the cards.
    """

    title: str
    patient: dict[str, str]
    verdict: tuple[str, ...]
    observations: tuple[ObservationRow, ...]
    indices: tuple[IndexRow, ...]
    parameters: tuple[ParameterRow, ...]
    seed: int
    versions: dict[str, str]
    created: str
    waveforms: tuple[WaveformPanel, ...] = ()
    loops: tuple[LoopPanel, ...] = ()
    identifiability: tuple[str, ...] = ()
    whatifs: tuple[WhatIfTable, ...] = ()
    assumptions: tuple[str, ...] = ()
    diagnostics: tuple[DiagnosticRow, ...] = ()
    hybrid: "HybridPart | None" = None
    warnings: tuple[str, ...] = ()
    source: str = ""
    command: str = ""
    headline: tuple[str, ...] = field(default_factory=cards)


@dataclass(frozen=True)
class AddedRow:
    """An index with the residual, and what the residual adds to it, draw by draw."""

    name: str
    unit: str
    value: Interval
    added: Interval


@dataclass(frozen=True)
class MovedRow:
    """A mechanistic parameter fitted without and with the residual; ``moved`` in sd."""

    name: str
    unit: str
    without: float
    within: float
    moved: float


@dataclass(frozen=True)
class HybridPart:
    """All a report says of the learned part; ``whatifs`` has inputs by title."""

    added: tuple[AddedRow, ...]
    inputs: tuple[InputRow, ...]
    whatifs: tuple[tuple[str, tuple[InputRow, ...]], ...]
    moved: tuple[MovedRow, ...]
    training: dict[str, Any]
