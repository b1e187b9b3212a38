"""Text tables as devices and spreadsheets write them: cells, numbers, times."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.records.formats.clock import SECONDS, times
    from cordax.records.formats.delimited import (
        TableError,
        is_missing,
        read,
        with_points,
    )

__all__ = ["SECONDS", "TableError", "is_missing", "read", "times", "with_points"]

__getattr__, __dir__ = lazily(__name__)
