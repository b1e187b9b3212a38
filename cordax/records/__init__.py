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
    from cordax.records.waveforms.artefacts import (
        leave_out,
        require_level,
        require_one_pulse,
        spikes,
    )
    from cordax.records.waveforms.signals import (
        BEAT_POINTS,
        find_beats,
        from_the_foot,
        mean_beat,
        read_columns,
    )

__all__ = [
    "BEAT_POINTS",
    "Measurement",
    "Problem",
    "Record",
    "RecordError",
    "SITES",
    "Waveform",
    "find_beats",
    "from_payload",
    "from_the_foot",
    "is_unfilled",
    "leave_out",
    "mean_beat",
    "problems",
    "read",
    "read_columns",
    "require_level",
    "require_one_pulse",
    "spikes",
]

__getattr__, __dir__ = lazily(__name__)
