"""The 3-D view of a report: a surface the reader can turn, in plain WebGL.

Everything is inside the page; the wave is played from the activation times.
"""

import base64
import json
from importlib.resources import files
from typing import Any

import numpy as np

from cordax.ep.surface import Surface, coarser
from cordax.reports.figures import surface as plot_ep3d
from cordax.reports.html import escape

_NEVER = -1e9


def html(whole: Surface, activation: np.ndarray) -> str:
    """The view as HTML: canvas, slider, colours and the script that draws.

    ``activation`` (ms) is the nodes'. **Raises** ValueError where none is activated.
    """
    shown = coarser(whole)
    times = shown.at(activation)
    levels = plot_ep3d.levels(times)
    script = (files("cordax.ep") / "view.js").read_text(encoding="utf-8")
    sides = plot_ep3d.views(shown.points)
    names = (side.name.split(" (")[0].capitalize() for side in sides)
    buttons = "".join(
        f'<button type="button">{escape(name)}</button>' for name in names
    )
    first, last = levels[0], float(np.nanmax(times))
    return (
        '<div id="heart-view"><canvas tabindex="0" role="img" aria-label="The heart '
        "coloured by activation time; drag or use the arrow keys to turn it"
        '"></canvas><p class="failed" hidden>This browser has no WebGL 2: see the '
        "pictures below.</p>"
        f'<div class="controls"><button type="button">Play</button><input type="range" '
        f'min="{first:g}" max="{last:.3f}" step="any" value="{last:.3f}" aria-label='
        f'"Time"><output></output>{buttons}</div>{_legend(levels)}</div>'
        '<script type="application/json" id="heart-data">'
        f"{json.dumps(_data(shown, times, levels, sides))}</script>"
        f"<script>{script}</script>"
    )


def _data(
    shown: Surface, times: np.ndarray, levels: np.ndarray, sides: list[Any]
) -> dict[str, Any]:
    low, high = shown.points.min(axis=0), shown.points.max(axis=0)
    centred = shown.points - 0.5 * (low + high)
    radius = float(np.linalg.norm(centred, axis=1).max())
    place = np.rint(centred / radius * 32767).astype("<i2")
    when = np.where(np.isfinite(times), times, _NEVER).astype("<f4")
    return {
        "points": _text(place),
        "triangles": _text(shown.triangles.astype("<u2")),
        "times": _text(when),
        "radius": radius,
        "levels": levels.tolist(),
        "colours": plot_ep3d.band_colours(len(levels) - 1).round(4).tolist(),
        "views": [[s.right.tolist(), s.up.tolist(), s.near.tolist()] for s in sides],
    }


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _legend(levels: np.ndarray) -> str:
    colours = plot_ep3d.band_colours(len(levels) - 1)
    cells = "".join(
        f'<span style="background:rgb({r:.0f},{g:.0f},{b:.0f})">{start:g}</span>'
        for start, (r, g, b) in zip(levels, 255 * colours, strict=False)
    )
    return (
        f'<div class="legend">{cells}<i>ms: the start of each band; grey: never '
        "activated</i></div>"
    )
