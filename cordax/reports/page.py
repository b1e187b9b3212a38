"""The report: one HTML file that needs nothing else, from a plain `ReportData`.

Every interval is the central 90 % of the posterior, an `Interval` of median, lower
and upper end in the row's unit. Names are those of the parameters and indices; the
page writes them out in words.
"""

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from cordax.reports import residual_section, sections
from cordax.reports.data import ReportData
from cordax.reports.html import escape
from physio.files import bears_mark, file_mark, write_atomic


class Section(NamedTuple):
    """A part of the page: its anchor, its title, and what makes its HTML ("" leaves it
    out). What it shows of a user's text passes ``cordax.reports.html.escape``."""

    key: str
    title: str
    body: Callable[[ReportData], str]


#: The page from top to bottom; a new section is one line here.
SECTIONS = (
    Section("observations", "Measurements", sections.observations),
    Section("waveforms", "Waveforms", sections.waveforms),
    Section("loops", "Pressure-volume loops", sections.loops),
    Section("whatifs", "What if", sections.whatifs),
    Section("hybrid", "The learned part", residual_section.hybrid),
    Section("indices", "Indices", sections.indices),
    Section("parameters", "Parameters", sections.parameters),
    Section("identifiability", "What the data see", sections.identifiability),
    Section("assumptions", "Assumptions", sections.assumptions),
    Section("origin", "Origin", sections.origin),
)

REPORT = "report.html"  # in a twin's folder
KIND = "report"  # of file

INTENDED_USE = (
    "For research and education. cordax is not a medical device: nothing in this "
    "report may guide the diagnosis or treatment of a patient."
)


def write(data: ReportData, path: str | Path, more: Sequence[Section] = ()) -> Path:
    """Writes the report as one HTML file and returns its path."""
    target = Path(path)
    write_atomic(target, render(data, more))
    return target


def is_report(path: Path) -> bool:
    """Whether a file is a report that ``write`` made."""
    return bears_mark(path, KIND)


def render(data: ReportData, more: Sequence[Section] = ()) -> str:
    """The whole page, style and pictures included; it asks the network for nothing.

    ``more`` are sections of one's own, before the assumptions.
    """
    css = (files("cordax") / "assets" / "report.css").read_text(encoding="utf-8")
    wanted = (*SECTIONS[:-2], *more, *SECTIONS[-2:])
    made = [(section.key, section.title, section.body(data)) for section in wanted]
    parts = [part for part in made if part[2]]
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
