"""Pictures: the only module that draws; matplotlib is loaded when one is asked for.

Figures are small, so that the text stays legible where a phone shows one per row.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physio.files import file_mark

if TYPE_CHECKING:
    from cordax.reports.data import LoopPanel, ReportData, WaveformPanel

KIND = "figure"  # of file
INK, TEAL, RED, GREY = "#1c2733", "#0a7286", "#c2453a", "#8b97a3"
_DRAWS = 25  # thin lines of a loop: more only darken the page

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "axes.grid": True,
    "grid.color": "#e6eaee",
    "grid.linewidth": 0.7,
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's font
    "legend.frameon": False,
}


def made_by(file_format: str) -> dict[str, str]:
    """Metadata by which a picture of ours is known again: PNG, SVG and PDF."""
    return {"Software" if file_format == "png" else "Creator": file_mark(KIND)}


def waveform_svg(panel: "WaveformPanel", key: str) -> str:
    """One signal over a beat as inline SVG; `key` keeps its identifiers apart."""
    with _axes(key) as drawing:
        _draw_waveform(drawing.axes, panel)
    return drawing.svg


def loop_svg(panel: "LoopPanel", key: str) -> str:
    """Pressure-volume loops as inline SVG."""
    with _axes(key) as drawing:
        _draw_loop(drawing.axes, panel)
    return drawing.svg


def overview(data: "ReportData", path: str | Path, *, dpi: int = 150) -> Path:
    """A picture of the first waveform and the loops side by side (PNG, SVG or PDF)."""
    import matplotlib

    from physio.files import replacing

    panels = [*data.waveforms[:1], *data.loops[:2]]
    if not panels:
        raise ValueError("There is no waveform and no loop to draw in this report.")
    target = Path(path)
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": "overview"}):
        figure = _figure((4.0 * len(panels), 3.2))
        for column, panel in enumerate(panels, start=1):
            axes = figure.add_subplot(1, len(panels), column)
            if hasattr(panel, "time_s"):
                _draw_waveform(axes, panel)
            else:
                _draw_loop(axes, panel)
            axes.set_title(panel.title, fontsize=10, loc="left", color=INK)
        with replacing(target) as temporary:
            kind = target.suffix.lstrip(".") or "png"
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=made_by(kind))
    return target


def beat_figure(beat: Any, path: str | Path, *, dpi: int = 150) -> Path:
    """One beat of a circulation: left and right pressures, and both loops."""
    import matplotlib

    from physio.files import replacing

    pressure, volume = beat.observed.pressure, beat.observed.volume
    aorta = "aortic_root" if "aortic_root" in pressure else "systemic_arteries"
    left = {"left_ventricle": RED, aorta: INK, "left_atrium": TEAL}
    right = {"right_ventricle": RED, "pulmonary_arteries": INK, "right_atrium": TEAL}
    target = Path(path)
    with matplotlib.rc_context(_STYLE):
        figure = _figure((12.0, 3.4))
        axes = figure.subplots(1, 3)
        for panel, sides, title in ((0, left, "Left heart"), (1, right, "Right heart")):
            for name, color in sides.items():
                words = name.replace("_", " ")
                axes[panel].plot(beat.t, pressure[name], color=color, label=words)
            axes[panel].set(title=title, xlabel="Time (s)", ylabel="Pressure (mmHg)")
            axes[panel].set_ylim(0.0, 1.3 * float(pressure[next(iter(sides))].max()))
            axes[panel].legend(loc="upper right")
        for name, color in (("left_ventricle", RED), ("right_ventricle", TEAL)):
            words = name.replace("_", " ")
            axes[2].plot(volume[name], pressure[name], color=color, label=words)
        axes[2].set(title="Loops", xlabel="Volume (mL)", ylabel="Pressure (mmHg)")
        axes[2].set_ylim(0.0, 1.3 * float(pressure["left_ventricle"].max()))
        axes[2].legend(loc="upper right")
        with replacing(target) as temporary:
            kind = target.suffix[1:] or "png"
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=made_by(kind))
    return target


def _draw_waveform(axes: Any, panel: "WaveformPanel") -> None:
    axes.fill_between(
        panel.time_s, panel.lower, panel.upper, color=TEAL, alpha=0.22, linewidth=0
    )
    axes.plot(panel.time_s, panel.median, color=TEAL, linewidth=1.8, label="twin")
    if panel.data is not None and panel.data_time_s is not None:
        axes.plot(
            panel.data_time_s,
            panel.data,
            ".",
            color=INK,
            markersize=3.6,
            label="recorded",
        )
        _legend(axes)
    axes.set_xlabel("time (s)")
    axes.set_ylabel(panel.unit)
    axes.margins(x=0.01)


def _draw_loop(axes: Any, panel: "LoopPanel") -> None:
    _draws(axes, panel.volume, panel.pressure, TEAL, "now")
    if panel.after_volume is not None and panel.after_pressure is not None:
        _draws(axes, panel.after_volume, panel.after_pressure, RED, panel.after_title)
        _legend(axes)
    axes.set_xlabel("volume (mL)")
    axes.set_ylabel("pressure (mmHg)")


def _draws(axes: Any, volume, pressure, color: str, label: str) -> None:
    chosen = np.linspace(1, len(volume) - 1, min(_DRAWS, len(volume) - 1)).astype(int)
    for row in chosen:
        axes.plot(volume[row], pressure[row], color=color, alpha=0.16, linewidth=0.7)
    axes.plot(volume[0], pressure[0], color=color, linewidth=1.9, label=label)


def _legend(axes: Any) -> None:
    # Above the curves: no corner of a pressure or of a loop is always free.
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 0.99),
        ncols=2,
        fontsize=9,
        handlelength=1.4,
        borderaxespad=0.2,
    )


def _figure(size: tuple[float, float]) -> Any:
    # Not pyplot: no global state, no window, and nothing to close.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    return figure


class _axes:
    """A small figure whose SVG is ready when the block ends."""

    def __init__(self, key: str):
        self.key, self.svg = key, ""

    def __enter__(self) -> "_axes":
        import matplotlib

        self.style = matplotlib.rc_context({**_STYLE, "svg.hashsalt": self.key})
        self.style.__enter__()
        self.figure = _figure((4.4, 3.0))
        self.axes = self.figure.add_subplot()
        return self

    def __exit__(self, *problem) -> None:
        import io

        try:
            if problem[0] is None:
                buffer = io.StringIO()
                self.figure.savefig(
                    buffer, format="svg", transparent=True, metadata={"Date": None}
                )
                self.svg = _inline(buffer.getvalue(), self.key)
        finally:
            self.style.__exit__(*problem)


def _inline(svg: str, key: str) -> str:
    """Only the drawing: no XML head, no metadata, identifiers of its own."""
    import re

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{key}-", svg)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px sans-serif", svg)
    return svg.replace("xlink:href", "href").replace("<svg", '<svg role="img"', 1)
