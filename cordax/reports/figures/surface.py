"""Pictures of a heart's surface: isochrones from two sides, and a film of the wave.

The surface is drawn by a small z-buffer of our own, so that pictures need neither a
display nor a graphics library, and colours are those of each pixel's own time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cordax.reports.figures.circulation import _STYLE, INK, _figure
from cordax.reports.figures.electrophysiology import _picture

_NEVER = np.array([0.80, 0.82, 0.84])
_LIGHT = np.array([-0.35, 0.45, 0.82])  # right, up, toward the viewer
_FLAT = 0.05  # shortest over longest side: a sheet, seen from above only
_BANDS = 12
_FINE = 2  # pixels are drawn so many times finer, and averaged
_FILM = 60  # frames
_DARK = 0.18  # of the range below the lowest voltage


@dataclass(frozen=True)
class View:
    """A direction to look from: unit vectors to the right, up and to the viewer."""

    name: str
    right: np.ndarray
    up: np.ndarray
    near: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """What each pixel shows: the vertices (n, n, 3) and their shares, and the light.

    ``seen`` is False where there is no tissue; ``scale`` is pixels per mm.
    """

    seen: np.ndarray
    vertices: np.ndarray
    shares: np.ndarray
    light: np.ndarray
    scale: float

    def at(self, values: np.ndarray) -> np.ndarray:
        """The vertices' values at each pixel; NaN outside and where one of them is."""
        mixed = np.einsum("ijk,ijk->ij", self.shares, values[self.vertices])
        return np.where(self.seen, mixed, np.nan)


def views(points: np.ndarray) -> list[View]:
    """From -y and from +y with z up; a flat sheet along its thin axis."""
    size = np.ptp(points, axis=0)
    thin = int(np.argmin(size))
    axes = np.eye(3)
    if size[thin] <= _FLAT * size.max():
        first, second = [k for k in range(3) if k != thin]
        near = np.cross(axes[first], axes[second])
        return [View("from above", axes[first], axes[second], near)]
    x, y, z = axes
    return [
        View("from -y", x, z, -y),
        View("from +y", -x, z, y),
    ]


def nice_step(span: float, most: int = _BANDS) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... that cuts a span into at most so many."""
    for exponent in range(-3, 6):
        for digit in (1.0, 2.0, 5.0):
            step = digit * 10.0**exponent
            if span / step <= most:
                return step
    return span


def levels(times: np.ndarray) -> np.ndarray:
    """The isochrones of activation times (ms), evenly apart at round numbers.

    **Raises** ValueError where nothing was activated.
    """
    known = times[np.isfinite(times)]
    if not known.size:
        raise ValueError("Nothing was activated: there is no isochrone to draw.")
    low, high = float(known.min()), float(known.max())
    step = nice_step(max(high - low, 1e-3))
    first = step * np.floor(low / step)
    return np.arange(first, max(high, first + 0.5 * step) + step, step)


def band_colours(count: int) -> np.ndarray:
    """Red for the earliest of ``count`` bands, over yellow and green to blue."""
    import matplotlib

    return matplotlib.colormaps["turbo_r"](np.linspace(0.08, 0.94, count))[:, :3]


def activation_views(
    points: np.ndarray, triangles: np.ndarray, times: np.ndarray, path: str | Path,
    *, title: str = "", unit: str = "activation (ms)", dpi: int = 150,
) -> Path:  # fmt: skip
    """Isochrones on a surface (mm) from two sides; tissue never activated is grey.

    ``times`` (ms) are the vertices'; the lines between bands are isochrones.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    at = levels(times)
    sides = views(points)
    with _picture(path, (4.4 * len(sides) + 1.1, 4.6), dpi) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(sides)))
        for axes, side in zip(panels, sides, strict=True):
            drawn = draw(points, triangles, side, 380 * _FINE)
            axes.imshow(_averaged(_banded(drawn, times, at)), interpolation="bilinear")
            _bare(axes, side.name)
            _ruler(axes, drawn)
        colours = ListedColormap(band_colours(len(at) - 1))
        shown = ScalarMappable(BoundaryNorm(at, colours.N), colours)
        figure.colorbar(shown, ax=list(panels), label=unit, shrink=0.8, ticks=at)
        if title:
            figure.suptitle(title, fontsize=10, color=INK)
    return Path(path)


def film(
    points: np.ndarray, triangles: np.ndarray, t: np.ndarray, frames: Any,
    path: str | Path, *, dpi: int = 80, rate: int = 15,
) -> Path:  # fmt: skip
    """A GIF of the voltage (mV) on a surface from two sides.

    ``frames(k)`` gives the vertices' voltages at ``t[k]`` (ms); at most 60 are shown.
    """
    from PIL import Image

    from physio.files import replacing

    sides = views(points)
    drawings = [draw(points, triangles, side, 300) for side in sides]
    chosen = np.unique(np.linspace(0, len(t) - 1, min(_FILM, len(t))).astype(int))
    some = np.stack([frames(k) for k in chosen[:: max(len(chosen) // 8, 1)]])
    low, high = float(np.nanmin(some)), float(np.nanmax(some))
    # rest is not quite black, so that the heart is seen before the wave
    dark = low - _DARK * (high - low) - 1e-9
    scenes = [
        Image.fromarray(scene)
        for scene in _scenes(sides, drawings, t, frames, chosen, (dark, high), dpi)
    ]
    palette = scenes[len(scenes) // 3].quantize(256)
    small = [
        scene.quantize(palette=palette, dither=Image.Dither.NONE) for scene in scenes
    ]
    target = Path(path)
    with replacing(target) as temporary:
        small[0].save(
            temporary, format="GIF", save_all=True, append_images=small[1:],
            duration=1000 // rate, loop=0,
        )  # fmt: skip
    return target


def _scenes(
    sides: list[View], drawings: list[Drawn], t: np.ndarray, frames: Any,
    chosen: np.ndarray, limits: tuple[float, float], dpi: int,
) -> Iterator[np.ndarray]:  # fmt: skip
    """The film's pictures (n, n, 3): only what moves is drawn again."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = matplotlib.colormaps["inferno"]
    with matplotlib.rc_context({**_STYLE, "figure.dpi": dpi}):
        figure = _figure((3.9 * len(sides) + 1.0, 4.0))
        canvas = FigureCanvasAgg(figure)
        panels = np.atleast_1d(figure.subplots(1, len(sides)))
        moving = []
        for axes, side, drawn in zip(panels, sides, drawings, strict=True):
            moving.append(axes.imshow(np.ones((*drawn.seen.shape, 3))))
            _bare(axes, side.name)
        norm = Normalize(*limits)
        scale = ScalarMappable(norm, colours)
        figure.colorbar(scale, ax=list(panels), label="voltage (mV)", shrink=0.8)
        clock = figure.suptitle(" ", fontsize=10, color=INK)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for k in chosen:
            canvas.restore_region(still)
            values = norm(frames(k))
            for image, drawn in zip(moving, drawings, strict=True):
                image.set_data(_coloured(drawn, colours, values))
                figure.draw_artist(image)
            clock.set_text(f"{t[k]:.0f} ms")
            figure.draw_artist(clock)
            yield np.array(canvas.buffer_rgba())[..., :3]


def draw(points: np.ndarray, triangles: np.ndarray, view: View, size: int) -> Drawn:
    """Which point of the surface each of ``size`` x ``size`` pixels shows."""
    frame = np.stack([view.right, view.up, view.near])
    placed = (points - 0.5 * (points.min(axis=0) + points.max(axis=0))) @ frame.T
    scale = 0.94 * size / float(np.ptp(placed[:, :2], axis=0).max())
    pixel = np.stack([placed[:, 0], -placed[:, 1]], axis=1) * scale + 0.5 * size
    corners = pixel[triangles]
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, size - 1).astype(np.int64)
    high = np.clip(np.floor(corners.max(axis=1) - 0.5), 0, size - 1).astype(np.int64)
    count = np.maximum(high - low + 1, 0)
    which, cell = _pixels(low, count)
    shares, inside = _shares(corners[which], cell + 0.5)
    which, cell, shares = which[inside], cell[inside], shares[inside]
    depth = np.einsum("ij,ij->i", placed[:, 2][triangles[which]], shares)
    order = np.argsort(depth, kind="stable")  # the nearest is written last
    owner = np.full(size * size, -1, np.int64)
    owner[(cell[:, 1] * size + cell[:, 0])[order]] = order
    owner = owner.reshape(size, size)
    light = _light(points, triangles) @ frame.T @ (_LIGHT / np.linalg.norm(_LIGHT))
    vertices = triangles[which[owner]]
    shares = shares[owner]
    # both faces of a wall are lit: a surface may be open, or face either way
    lit = np.abs(np.einsum("ijk,ijk->ij", shares, light[vertices]))
    return Drawn(owner >= 0, vertices, shares, 0.45 + 0.55 * lit, scale)


def _pixels(low: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(triangle, pixel) for every pixel of every triangle's box."""
    per = count[:, 0] * count[:, 1]
    which = np.repeat(np.arange(len(per)), per)
    place = np.arange(per.sum()) - np.repeat(np.cumsum(per) - per, per)
    row, column = np.divmod(place, np.maximum(count[which, 0], 1))
    return which, low[which] + np.stack([column, row], axis=1)


def _shares(corners: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric coordinates of pixels, and whether they lie in their triangle."""
    (ux, uy), (vx, vy) = (corners[:, k].T - corners[:, 0].T for k in (1, 2))
    wx, wy = at.T - corners[:, 0].T
    area = ux * vy - uy * vx
    safe = np.where(area == 0.0, 1.0, area)
    shares = np.empty((len(area), 3))
    shares[:, 1] = (wx * vy - wy * vx) / safe
    shares[:, 2] = (ux * wy - uy * wx) / safe
    shares[:, 0] = 1.0 - shares[:, 1] - shares[:, 2]
    return shares, (shares.min(axis=1) >= -1e-9) & (area != 0.0)


def _light(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The unit normal at every vertex: the mean of its triangles', by area."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    total = np.stack(
        [
            np.bincount(triangles.ravel(), np.repeat(normal[:, k], 3), len(points))
            for k in range(3)
        ],
        axis=1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)


def _banded(drawn: Drawn, times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Colours (n, n, 3): a band between isochrones each, dark lines where they meet."""
    values = drawn.at(times)
    band = np.digitize(values, at[1:-1])
    known = np.isfinite(values)
    colour = np.where(known[..., None], band_colours(len(at) - 1)[band], _NEVER)
    colour = colour * drawn.light[..., None]
    line = np.zeros_like(known)
    for axis in (0, 1):
        ahead = np.roll(band, -1, axis=axis)
        both = known & np.roll(known, -1, axis=axis)
        line |= both & (ahead != band)
    colour[line] = colour[line] * 0.35
    colour[~drawn.seen] = 1.0
    return np.clip(colour, 0.0, 1.0)


def _coloured(drawn: Drawn, colours: Any, values: np.ndarray) -> np.ndarray:
    value = drawn.at(values)
    colour = colours(np.nan_to_num(value))[..., :3] * drawn.light[..., None]
    colour[np.isnan(value)] = _NEVER
    colour[~drawn.seen] = 1.0
    return colour


def _averaged(image: np.ndarray) -> np.ndarray:
    size = image.shape[0] // _FINE
    return image.reshape(size, _FINE, size, _FINE, 3).mean(axis=(1, 3))


def _bare(axes: Any, name: str) -> None:
    axes.set_axis_off()
    axes.set_title(name, fontsize=9, color=INK)


def _ruler(axes: Any, drawn: Drawn) -> None:
    """A bar of a round length at the lower left."""
    per_mm = drawn.scale / _FINE
    size = drawn.seen.shape[0] / _FINE
    length = nice_step(size / per_mm, 5)
    x, y = 0.02 * size, 0.985 * size
    axes.plot([x, x + length * per_mm], [y, y], color=INK, lw=1.6)
    axes.text(x, y - 0.015 * size, f"{length:g} mm", fontsize=7.5, color=INK)
    axes.set(xlim=(0, size), ylim=(size, 0))
