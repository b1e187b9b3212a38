"""Recorded waveforms: tables read, beats found, what is not the patient left out."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
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
    from cordax.records.waveforms.tables import SIGNALS, read_waveforms

__all__ = [
    "BEAT_POINTS",
    "SIGNALS",
    "find_beats",
    "from_the_foot",
    "leave_out",
    "mean_beat",
    "read_columns",
    "read_waveforms",
    "require_level",
    "require_one_pulse",
    "spikes",
]

__getattr__, __dir__ = lazily(__name__)
