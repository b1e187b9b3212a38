"""The clinic's indices of a beat and of breathing."""

from physio.hemodynamics.indices.beat import (
    UNITS,
    aortic_site,
    beat_mean,
    end_diastolic_pressure,
    net_volume,
    peak,
    summarize,
    trough,
)
from physio.hemodynamics.indices.respiratory_variation import (
    BreathBeats,
    Variation,
    smooth_over_breath,
    variation,
    variation_of_beats,
)

__all__ = [
    "BreathBeats",
    "UNITS",
    "Variation",
    "aortic_site",
    "beat_mean",
    "end_diastolic_pressure",
    "net_volume",
    "peak",
    "smooth_over_breath",
    "summarize",
    "trough",
    "variation",
    "variation_of_beats",
]
