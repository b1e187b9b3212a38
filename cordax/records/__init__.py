"""A patient's record: read, checked, explained."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.records.examine import problems, read
    from cordax.records.keys import SITES
    from cordax.records.record import (
        Measurement,
        Problem,
        Record,
        RecordError,
        Waveform,
        from_payload,
    )
    from cordax.records.template import is_unfilled

__all__ = [
    "Measurement",
    "Problem",
    "Record",
    "RecordError",
    "SITES",
    "Waveform",
    "from_payload",
    "is_unfilled",
    "problems",
    "read",
]

__getattr__, __dir__ = lazily(__name__)
