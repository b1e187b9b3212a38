"""From a twin to one page, its tables and pictures."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.reports.csv_tables import KIND, write_csv
    from cordax.reports.data import (
        Diagnostic,
        IndexRow,
        LoopPanel,
        MovedRow,
        ObservationRow,
        ParameterRow,
        ReportData,
        WaveformPanel,
        WhatIfTable,
    )
    from cordax.reports.from_twin import moved_in_words, report_data, summary
    from cordax.reports.html import escape, number, signed, spread, table, unit, words
    from cordax.reports.page import (
        INTENDED_USE,
        REPORT,
        Section,
        is_report,
        render,
        write,
    )

__all__ = [
    "Diagnostic",
    "INTENDED_USE",
    "IndexRow",
    "KIND",
    "LoopPanel",
    "MovedRow",
    "ObservationRow",
    "ParameterRow",
    "REPORT",
    "ReportData",
    "Section",
    "WaveformPanel",
    "WhatIfTable",
    "escape",
    "is_report",
    "moved_in_words",
    "number",
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
