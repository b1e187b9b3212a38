"""Pictures; the only home of matplotlib and pyvista."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.reports.figures.circulation import (
        KIND,
        beat_figure,
        loop_svg,
        overview,
        waveform_svg,
    )
    from cordax.reports.figures.electrophysiology import (
        action_potentials,
        activation_sheet,
        ecg_page,
        restitution,
        tip_trajectories,
    )
    from cordax.reports.figures.surface import (
        View,
        activation_views,
        band_colours,
        draw,
        film,
        levels,
        views,
    )

__all__ = [
    "KIND",
    "View",
    "action_potentials",
    "activation_sheet",
    "activation_views",
    "band_colours",
    "beat_figure",
    "draw",
    "ecg_page",
    "film",
    "levels",
    "loop_svg",
    "overview",
    "restitution",
    "tip_trajectories",
    "views",
    "waveform_svg",
]

__getattr__, __dir__ = lazily(__name__)
