"""The report: one HTML file that needs nothing else, from a plain `ReportData`.

Every interval is the central 90 % of the posterior, an `Interval` of median, lower
and upper end in the row's unit. Names are those of the parameters and indices; the
page writes them out in words.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from cordax.reports.data import ReportData
from physio.files import write_atomic

if TYPE_CHECKING:
    pass


INTENDED_USE = (
    "For research and education. cordax is not a medical device: nothing in this "
    "report may guide the diagnosis or treatment of a patient."
)


def write(data: ReportData, path: str | Path) -> Path:
    """Writes the report as one HTML file and returns its path."""
    target = Path(path)
    write_atomic(target, html(data))
    return target


def html(data: ReportData) -> str:
    """The whole page, style and pictures included; it asks the network for nothing."""
    from importlib.resources import files

    from cordax.reports import sections
    from cordax.reports.html import escape
    from cordax.reports.residual_section import hybrid

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
        '<link rel="icon" href="data:,">'
        f"<title>{escape(data.title)} - cordax</title><style>{css}</style></head><body>"
        f'<p class="use" role="note"><b>Research use only.</b> {INTENDED_USE}</p>'
        f"<main>{sections.head(data)}<nav>{links}</nav>{body}</main>"
        f"<footer>{INTENDED_USE} Seed {data.seed}. {escape(data.created)}</footer>"
        "</body></html>\n"
    )
