"""From a twin to one page, its tables and pictures."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.reports.csv_tables import KIND, write_csv
    from cordax.reports.data import MovedRow, ReportData
    from cordax.reports.from_twin import (
        diagnostics_of,
        moved_in_words,
        observation_rows,
        report_data,
        summary,
    )
    from cordax.reports.healthy_ranges import published
    from cordax.reports.html import (
        escape,
        named,
        number,
        signed,
        spread,
        table,
        unit,
        words,
    )
    from cordax.reports.page import (
        INTENDED_USE,
        REPORT,
        Section,
        is_report,
        render,
        write,
    )
    from cordax.reports.sections import identifiability

__all__ = [
    "INTENDED_USE",
    "KIND",
    "MovedRow",
    "REPORT",
    "ReportData",
    "Section",
    "diagnostics_of",
    "escape",
    "identifiability",
    "is_report",
    "moved_in_words",
    "named",
    "number",
    "observation_rows",
    "published",
    "render",
    "report_data",
    "signed",
    "spread",
    "summary",
    "table",
    "unit",
    "words",
    "write",
    "write_csv",
]

__getattr__, __dir__ = lazily(__name__)
