"""A patient's record: read, checked, explained."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.records.examine import problems, read
    from cordax.records.keys import SITES, default_suffix, split_key
    from cordax.records.record import (
        Measurement,
        Record,
        RecordedWaveform,
        RecordError,
        RecordProblem,
        from_payload,
    )
    from cordax.records.template import is_unfilled

__all__ = [
    "Measurement",
    "Record",
    "RecordError",
    "RecordProblem",
    "RecordedWaveform",
    "SITES",
    "default_suffix",
    "from_payload",
    "is_unfilled",
    "problems",
    "read",
    "split_key",
]

__getattr__, __dir__ = lazily(__name__)
