"""Pictures of electrophysiology: ECG on its paper, action potentials, maps, tips.

Files are written whole or not at all; the ending of the path chooses PNG, SVG or PDF.
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cordax.reports.figures.circulation import (
    _STYLE,
    GREY,
    INK,
    RED,
    TEAL,
    _figure,
    made_by,
)
from physio.electrophysiology.signals.ecg import LEADS
from physio.electrophysiology.signals.rotors import Tip, grid_loops
from physio.units import MS_PER_S

_MM_PER_INCH = 25.4
_SPEED = 25.0  # mm/s, of paper
_COLUMN = 62.5  # mm: 2.5 s, four of them in the customary 10 s
_ROW = 37.5  # mm
_MARGIN, _PULSE = 10.0, 12.5  # mm: the paper's edge, and the room of the pulse
_FOOT, _HEAD = 10.0, 15.0  # mm
_ORDER = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
_COLOURS = (TEAL, RED, INK, "#d08a1f", "#5b6fb5", GREY)


def ecg_page(
    t: Any,
    leads: Any,
    path: str | Path,
    *,
    names: Sequence[str] = LEADS,
    cycle: float | None = None,
    gain: float = 10.0,
    title: str = "",
    dpi: int = 150,
) -> Path:
    """Twelve leads on ECG paper: three rows of four, and a rhythm strip of lead II.

    25 mm/s and ``gain`` mm/mV, at true size when printed; a grid of 1 and 5 mm, and a
    pulse of 1 mV and 200 ms before every row. ``t`` in ms, ``leads`` (n_t, n_lead) in
    mV. With ``cycle`` (ms) one beat is repeated; without it, a record up to 2.5 s is
    shown once in every column, a longer one runs on from column to column.

    **Raises** ValueError where a lead is missing or the beat is longer than the cycle.
    """
    t, leads = np.asarray(t, float), np.asarray(leads, float)
    missing = [name for name in LEADS if name not in names]
    if missing:
        raise ValueError(f"An ECG page shows the twelve leads; missing {missing}.")
    signal = {name: leads[:, list(names).index(name)] for name in LEADS}
    span = t[-1] - t[0]
    if cycle is not None and span > cycle:
        raise ValueError(
            f"The beat lasts {span:.0f} ms, longer than its cycle of {cycle:.0f} ms. "
            f"Cut it, or pass cycle={span:.0f}."
        )
    width = 2 * _MARGIN + _PULSE + 4 * _COLUMN
    height = _FOOT + 4 * _ROW + _HEAD
    with _picture(path, (width / _MM_PER_INCH, height / _MM_PER_INCH), dpi) as figure:
        figure.set_layout_engine("none")  # the millimetres are placed by hand
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0.0, width), ylim=(0.0, height))
        axes.set_axis_off()
        _paper(axes, width, height)
        start = _MARGIN + _PULSE
        runs_on = cycle is not None or span > _COLUMN / _SPEED * MS_PER_S
        for row, group in enumerate((*_ORDER, ("II",))):
            base = _FOOT + (3.5 - row) * _ROW
            _pulse(axes, base, gain)
            length = _COLUMN if len(group) > 1 else 4 * _COLUMN
            for column, name in enumerate(group):
                left = start + column * length
                begin = column * length / _SPEED * MS_PER_S if runs_on else 0.0
                time, value = _excerpt(t, signal[name], begin, length, cycle)
                x, y = left + _SPEED * time / MS_PER_S, base + gain * value
                axes.plot(x, y, color=INK, lw=0.9, solid_joinstyle="round", zorder=3)
                _name(axes, left, base + 0.36 * _ROW, name, first=column == 0)
        scale = f"25 mm/s    {gain:g} mm/mV"
        if cycle is not None:
            scale += f"    one beat, repeated every {cycle:g} ms"
        axes.text(_MARGIN, 4.0, scale, fontsize=8.5, color=INK, va="center")
        axes.text(_MARGIN, height - 6.0, title, fontsize=10, color=INK, va="center")
    return Path(path)


def action_potentials(
    t: Any,
    voltages: Mapping[str, Any],
    path: str | Path,
    *,
    title: str = "",
    dpi: int = 150,
) -> Path:
    """Action potentials (mV) against time (ms), by the name each curve is to have."""
    with _picture(path, (5.2, 3.4), dpi) as figure:
        axes = figure.add_subplot()
        for k, (name, v) in enumerate(voltages.items()):
            axes.plot(t, v, color=_COLOURS[k % len(_COLOURS)], lw=1.6, label=name)
        axes.set(xlabel="time (ms)", ylabel="voltage (mV)")
        axes.margins(x=0.01)
        _finish(axes, len(voltages), title)
    return Path(path)


def restitution(
    curves: Mapping[str, tuple[Any, Any]],
    path: str | Path,
    *,
    ylabel: str = "action potential duration (ms)",
    title: str = "",
    dpi: int = 150,
) -> Path:
    """Duration, or velocity, against diastolic interval (ms), by name of the curve.

    The dotted line has slope one: steeper restitution can alternate. Drawn for
    durations only.
    """
    with _picture(path, (5.2, 3.6), dpi) as figure:
        axes = figure.add_subplot()
        for k, (name, (interval, duration)) in enumerate(curves.items()):
            interval, duration = np.asarray(interval), np.asarray(duration)
            order = np.argsort(interval)
            colour = _COLOURS[k % len(_COLOURS)]
            axes.plot(
                interval[order],
                duration[order],
                "o-",
                color=colour,
                ms=3.5,
                lw=1.2,
                label=name,
            )
        if "duration" in ylabel and curves:
            _slope_one(axes)
        axes.set(xlabel="diastolic interval (ms)", ylabel=ylabel)
        _finish(axes, len(curves), title)
    return Path(path)


def activation_sheet(
    nodes: Any,
    activation: Any,
    path: str | Path,
    *,
    shape: tuple[int, int] | None = None,
    triangles: Any = None,
    step: float = 10.0,
    unit: str = "activation (ms)",
    title: str = "",
    dpi: int = 150,
) -> Path:
    """Isochrones ``step`` ms apart on a grid of nodes or a triangulated surface.

    A grid (``shape`` = (nx, ny), C order) and a flat sheet are seen from above; any
    other surface along its direction of least spread, only the triangles that face
    the viewer being drawn. Tissue never activated is grey.
    """
    nodes, times = np.asarray(nodes, float), np.asarray(activation, float)
    if (shape is None) == (triangles is None):
        raise ValueError(
            "A map needs either shape=(nx, ny) of a grid or triangles= of a surface."
        )
    if shape is not None:
        cells = grid_loops(shape)
        triangles = np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])
    triangles = np.asarray(triangles)
    flat, facing = _projected(nodes, triangles)
    with _picture(path, (5.4, 4.4), dpi) as figure:
        axes = figure.add_subplot()
        axes.set_aspect("equal")
        axes.grid(visible=False)
        bands = _bands(axes, flat, triangles[facing], times, step)
        figure.colorbar(bands, ax=axes, label=unit, shrink=0.9)
        axes.set(xlabel="mm", ylabel="mm")
        _finish(axes, 1, title)
    return Path(path)


def tip_trajectories(
    tips: Sequence[Tip],
    path: str | Path,
    *,
    extent: tuple[float, float, float, float] | None = None,
    title: str = "",
    dpi: int = 150,
) -> Path:
    """Where the tips of spirals went (mm, seen from above), coloured by time.

    A disc marks where each was first seen, filled for a charge of +1; ``extent`` is
    the sheet's (left, right, bottom, top).
    """
    from matplotlib.collections import LineCollection

    if not tips:
        raise ValueError("There is no tip to draw: no singularity was tracked.")
    last = max(float(tip.t[-1]) for tip in tips)
    first = min(float(tip.t[0]) for tip in tips)
    with _picture(path, (5.2, 4.4), dpi) as figure:
        axes = figure.add_subplot()
        lines = None
        for tip in tips:
            flat = tip.position[:, :2]
            lines = LineCollection(
                list(np.stack([flat[:-1], flat[1:]], axis=1)),
                cmap="viridis",
                linewidths=1.6,
            )
            lines.set_array(tip.t[:-1])
            lines.set_clim(first, max(last, first + 1e-9))
            axes.add_collection(lines)
            fill = INK if tip.charge > 0 else "white"
            axes.plot(*flat[0], "o", mfc=fill, mec=INK, ms=5, zorder=3)
        if extent is not None:
            axes.set(xlim=extent[:2], ylim=extent[2:])
        else:
            axes.autoscale_view()
        axes.set_aspect("equal")
        axes.set(xlabel="x (mm)", ylabel="y (mm)")
        figure.colorbar(lines, ax=axes, label="time (ms)", shrink=0.9)
        _finish(axes, 1, title)
    return Path(path)


@contextmanager
def _picture(path: str | Path, size: tuple[float, float], dpi: int) -> Any:
    """A figure that is saved to the path, atomically, when the block ends."""
    import matplotlib

    from physio.files import replacing

    target = Path(path)
    with matplotlib.rc_context(_STYLE):
        figure = _figure(size)
        yield figure
        with replacing(target) as temporary:
            kind = target.suffix.lstrip(".") or "png"
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=made_by(kind))


def _paper(axes: Any, width: float, height: float) -> None:
    from matplotlib.collections import LineCollection

    axes.add_patch(_rectangle(width, height))
    for every, colour, line in ((1.0, "#f7cfcf", 0.25), (5.0, "#e89a9a", 0.6)):
        across = np.arange(0.0, width + 0.5, every)
        up = np.arange(0.0, height + 0.5, every)
        segments = [((x, 0.0), (x, height)) for x in across]
        segments += [((0.0, y), (width, y)) for y in up]
        axes.add_collection(
            LineCollection(segments, colors=colour, linewidths=line, zorder=0)
        )


def _rectangle(width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0.0, 0.0), width, height, color="#fffafa", zorder=-1)


def _pulse(axes: Any, base: float, gain: float) -> None:
    x = _MARGIN + np.array([0.0, 2.5, 2.5, 7.5, 7.5, 10.0])
    y = base + gain * np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    axes.plot(x, y, color=INK, lw=0.9)


def _excerpt(
    t: np.ndarray, value: np.ndarray, begin: float, length: float, cycle: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Time since the column's start (ms) and value; a beat rests until the next."""
    window = length / _SPEED * MS_PER_S
    since = t - t[0]
    if cycle is None:
        shown = (since >= begin) & (since <= begin + window)
        return since[shown] - begin, value[shown]
    step = float(np.median(np.diff(t)))
    clock = np.arange(0.0, window + 0.5 * step, step)
    return clock, np.interp((clock + begin) % cycle, since, value)


def _name(axes: Any, left: float, y: float, name: str, *, first: bool) -> None:
    if not first:  # the customary tick where one lead gives way to the next
        axes.plot([left, left], [y - 5.0, y - 1.0], color=INK, lw=0.6)
    axes.text(left + 1.0, y, name, fontsize=9, color=INK, va="center", weight="bold")


def _slope_one(axes: Any) -> None:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    reach = min(right - left, high - low)
    x = np.array([max(left, 0.0), max(left, 0.0) + reach])
    axes.plot(x, low + x - x[0], ":", color=GREY, lw=1.0, label="slope 1")
    axes.set(xlim=(left, right), ylim=(low, high))


def _projected(nodes: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, Any]:
    """Nodes in the plane of the picture, and which triangles face the viewer."""
    spread = np.ptp(nodes, axis=0)
    if spread[2] <= 1e-9 * spread.max():
        return nodes[:, :2], slice(None)
    frame = np.linalg.eigh(np.cov(nodes.T))[1][:, ::-1]
    frame = frame * np.sign(np.linalg.det(frame))
    corners = nodes[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return (nodes - nodes.mean(axis=0)) @ frame[:, :2], normal @ frame[:, 2] > 0.0


def _bands(
    axes: Any, flat: np.ndarray, triangles: np.ndarray, times: np.ndarray, step: float
) -> Any:
    """Filled isochrones and their lines; triangles with a corner never reached grey."""
    known = ~np.isnan(times)
    lit = known[triangles].all(axis=1)
    if not lit.any():
        raise ValueError("Nothing was activated: there is no isochrone to draw.")
    x, y = flat.T
    if not lit.all():
        shade = np.full(len(flat), 0.5)
        axes.tripcolor(x, y, triangles[~lit], shade, cmap="Greys", vmin=0.0, vmax=2.0)
    seen = times[np.unique(triangles[lit])]
    first = step * np.floor(seen.min() / step)
    levels = np.arange(first, max(seen.max(), first + 0.5 * step) + step, step)
    filled = np.where(known, times, first)
    bands = axes.tricontourf(x, y, triangles[lit], filled, levels, cmap="turbo_r")
    axes.tricontour(x, y, triangles[lit], filled, levels, colors=INK, linewidths=0.4)
    return bands


def _finish(axes: Any, curves: int, title: str) -> None:
    if title:
        axes.set_title(title, fontsize=10, loc="left", color=INK)
    if curves > 1:
        axes.legend(loc="best", fontsize=8.5, handlelength=1.4)
