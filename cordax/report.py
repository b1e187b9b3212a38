"""The report: one HTML file that needs nothing else, from a plain `ReportData`.

Every interval is the central 90 % of the posterior, written as `Spread`: median, lower
and upper end, in the row's unit. Names are those of the parameters and indices; the
page writes them out in words.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physio.files import bears_mark, file_mark, write_atomic

if TYPE_CHECKING:
    from cordax.hybrid import HybridPart

#: Median, lower and upper end of the central 90 %.
Spread = tuple[float, float, float]

REPORT = "report.html"  # in a twin's folder
KIND = "report"  # of file

INTENDED_USE = (
    "For research and education. cordax is not a medical device: nothing in this "
    "report may guide the diagnosis or treatment of a patient."
)


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
    predicted: Spread
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
    value: Spread
    published: tuple[float, float] | None = None
    source: str = ""
    measured: bool = False


@dataclass(frozen=True)
class ParameterRow:
    """A free parameter before and after the data: `sd_ratio` = posterior / prior sd."""

    name: str
    unit: str
    prior: Spread
    posterior: Spread
    sd_ratio: float
    meaning: str = ""
    source: str = ""

    @property
    def prior_only(self) -> bool:
        """Whether the data said next to nothing: the sd fell by less than a tenth."""
        return self.sd_ratio > 0.9


@dataclass(frozen=True)
class ChangeRow:
    """An index before and after a treatment; the change is taken draw by draw."""

    name: str
    unit: str
    before: Spread
    after: Spread
    change: Spread


@dataclass(frozen=True)
class WhatIfTable:
    """What a treatment does; `reflex` says on, off or blunted, with the loop gain."""

    title: str
    reflex: str
    rows: tuple[ChangeRow, ...]
    note: str = ""


@dataclass(frozen=True)
class Diagnostic:
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
    diagnostics: tuple[Diagnostic, ...] = ()
    hybrid: "HybridPart | None" = None
    warnings: tuple[str, ...] = ()
    source: str = ""
    command: str = ""
    headline: tuple[str, ...] = field(
        default=(
            "mean_pressure",
            "cardiac_output",
            "stroke_volume",
            "lv_ejection_fraction",
            "lv_end_diastolic_volume",
            "central_venous_pressure",
        )
    )


def write(data: ReportData, path: str | Path) -> Path:
    """Writes the report as one HTML file and returns its path."""
    target = Path(path)
    write_atomic(target, html(data))
    return target


def is_report(path: Path) -> bool:
    """Whether a file is a report that ``write`` made."""
    return bears_mark(path, KIND)


def html(data: ReportData) -> str:
    """The whole page, style and pictures included; it asks the network for nothing."""
    from importlib.resources import files

    from . import report_sections as sections
    from .report_hybrid import hybrid
    from .report_parts import escape

    css = (files("cordax") / "assets" / "report.css").read_text(encoding="utf-8")
    parts = [
        (key, title, body)
        for key, title, body in (
            ("observations", "Measurements", sections.observations(data)),
            ("waveforms", "Waveforms", sections.waveforms(data)),
            ("loops", "Pressure-volume loops", sections.loops(data)),
            ("whatifs", "What if", sections.whatifs(data)),
            ("hybrid", "The learned part", hybrid(data)),
            ("indices", "Indices", sections.indices(data)),
            ("parameters", "Parameters", sections.parameters(data)),
            ("identifiability", "What the data see", sections.identifiability(data)),
            ("assumptions", "Assumptions", sections.assumptions(data)),
            ("origin", "Origin", sections.origin(data)),
        )
        if body
    ]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in parts)
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{part}</section>'
        for key, title, part in parts
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light">'
        f'<meta name="generator" content="{file_mark(KIND)}">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(data.title)} - cordax</title><style>{css}</style></head><body>"
        f'<p class="use" role="note"><b>Research use only.</b> {INTENDED_USE}</p>'
        f"<main>{sections.head(data)}<nav>{links}</nav>{body}</main>"
        f"<footer>{INTENDED_USE} Seed {data.seed}. {escape(data.created)}</footer>"
        "</body></html>\n"
    )
