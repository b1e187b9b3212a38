"""A patient's record: read, checked, explained."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.records.examine import problems, read
    from cordax.records.record import (
        Problem,
        Record,
        RecordError,
        Waveform,
        from_payload,
    )
    from cordax.records.signals import (
        BEAT_POINTS,
        find_beats,
        from_the_foot,
        mean_beat,
        read_columns,
    )

__all__ = [
    "BEAT_POINTS",
    "Problem",
    "Record",
    "RecordError",
    "Waveform",
    "find_beats",
    "from_payload",
    "from_the_foot",
    "mean_beat",
    "problems",
    "read",
    "read_columns",
]

__getattr__, __dir__ = lazily(__name__)
