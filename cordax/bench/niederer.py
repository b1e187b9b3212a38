"""The N-version benchmark of tissue solvers (Niederer 2011, 10.1098/rsta.2011.0139).

A slab of 20 x 7 x 3 mm, fibres along x, ten Tusscher-Panfilov 2006 epicardial cells, a
corner of 1.5 mm stimulated for 2 ms; wanted are the activation times of the eight
corners and the centre.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cordax.bench.niederer_table import CONVERGED as CONVERGED

SIDES = (20.0, 7.0, 3.0)
POINTS = {
    "P1": (0.0, 0.0, 0.0),
    "P2": (0.0, 7.0, 0.0),
    "P3": (20.0, 0.0, 0.0),
    "P4": (20.0, 7.0, 0.0),
    "P5": (0.0, 0.0, 3.0),
    "P6": (0.0, 7.0, 3.0),
    "P7": (20.0, 0.0, 3.0),
    "P8": (20.0, 7.0, 3.0),
    "P9": (10.0, 3.5, 1.5),
}
SCHEMES = ("second-order", "bond-average")
_CUBE, _DURATION = 1.5, 2.0  # mm, ms
_STRENGTH = 50_000 / (140.0 * 0.01) * 1e-3  # 50,000 uA/cm^3 over chi Cm: uA/uF
_LIMIT = 200.0  # ms: at 0.5 mm the slowest corner takes 132


def run(
    dx: float = 0.2,
    scheme: str = "bond-average",
    *,
    dt: float = 0.01,
    single: bool = True,
    progress: Callable[[float, float], None] | None = None,
) -> dict[str, float]:
    """Activation times (ms) of the nine points.

    ``scheme`` is "second-order" (cell-centred; a cell is stimulated where its centre
    lies in the cube, and a point takes its nearest cell, the lower on ties) or
    "bond-average" (nodes at the vertices, the stimulus by the share of a node's volume
    in the cube, a point between nodes by linear interpolation). Raises ``ValueError``
    for another scheme or where a side is shorter than two cells.
    """
    import jax.numpy as jnp

    from physio.electrophysiology.tissue.recording import Recorder
    from physio.electrophysiology.tissue.recording import run as advance

    kind = jnp.float32 if single else jnp.float64
    tissue, pacing, read = slab(dx, scheme, kind)
    state, done, times = None, 0.0, dict.fromkeys(POINTS, np.nan)
    first = np.full(tissue.nodes.shape[0], np.nan)
    while done < _LIMIT and any(np.isnan(t) for t in times.values()):
        part = advance(
            tissue,
            10.0,
            pacing.later(-done),
            dt=dt,
            record=Recorder(every=1.0),
            y0=state,
        )
        if not part.ok:
            raise ValueError(part.stopped)
        at = part.activation() + done
        first = np.where(np.isnan(first), at, first)
        state, done = part.state, done + 10.0
        times = {name: float(read(first, point)) for name, point in POINTS.items()}
        if progress is not None:
            progress(sum(np.isfinite(t) for t in times.values()), len(times))
    return times


def slab(dx: float, scheme: str, kind: Any) -> tuple[Any, Any, Callable[..., float]]:
    """The tissue, its stimulus, and how a point's time is read from the nodes'."""
    from physio.electrophysiology.cells.published.ten_tusscher_2006 import (
        ten_tusscher_2006,
    )
    from physio.electrophysiology.diffusion.bond_average import BondAverage, SecondOrder
    from physio.electrophysiology.diffusion.conductivity import Conductivity
    from physio.electrophysiology.diffusion.grid import full_grid
    from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype
    from physio.electrophysiology.tissue.pacing import stimulate

    if scheme not in SCHEMES:
        raise ValueError(f"A scheme is one of {', '.join(SCHEMES)}; got {scheme!r}.")
    if not 0 < dx <= SIDES[-1] / 2:
        raise ValueError(f"The slab is 3 mm thick: dx is at most 1.5 mm; got {dx:g}.")
    cells = [round(side / dx) for side in SIDES]
    spacing = tuple(side / n for side, n in zip(SIDES, cells, strict=True))
    vertices = scheme == "bond-average"
    shape = tuple(n + 1 for n in cells) if vertices else tuple(cells)
    grid = full_grid(shape, spacing, vertices=vertices)
    nodes = np.asarray(grid.nodes)
    if vertices:
        share = _covered(nodes, spacing)
        read = _Interpolated(shape, spacing)
    else:
        share = (nodes <= _CUBE + 1e-6).all(axis=1).astype(float)
        read = _Nearest(shape, spacing)
    pacing = stimulate(
        share > 0, share=share, strength=_STRENGTH, duration=_DURATION, dtype=kind
    )
    chosen = BondAverage() if vertices else SecondOrder()
    tissue = Monodomain(ten_tusscher_2006(), grid, Conductivity(), scheme=chosen)
    return as_dtype(tissue, kind), pacing, read


def _covered(nodes: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Which share of each node's own volume lies in the stimulated cube."""
    half = 0.5 * np.asarray(spacing)
    low = np.maximum(nodes - half, 0)
    high = np.minimum(nodes + half, np.asarray(SIDES))
    inside = np.clip(np.minimum(high, _CUBE) - low, 0, None)
    return np.prod(inside / (high - low), axis=1)


class _Nearest:
    """The cell whose centre is nearest, the lower of two."""

    def __init__(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
        self.shape, self.spacing = shape, np.asarray(spacing)

    def __call__(self, times: np.ndarray, point: tuple[float, ...]) -> float:
        cell = np.ceil(np.round(np.asarray(point) / self.spacing, 6)) - 1
        place = np.clip(cell, 0, np.asarray(self.shape) - 1).astype(int)
        return float(times.reshape(self.shape)[tuple(place)])


class _Interpolated:
    """Linear between the nodes around a point."""

    def __init__(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> None:
        self.shape, self.spacing = shape, np.asarray(spacing)

    def __call__(self, times: np.ndarray, point: tuple[float, ...]) -> float:
        at = np.round(np.asarray(point) / self.spacing, 6)
        low = np.minimum(at.astype(int), np.asarray(self.shape) - 2)
        share = at - low
        total = 0.0
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, share, 1 - share))
            if weight > 0:
                total += weight * times.reshape(self.shape)[tuple(low + corner)]
        return float(total)
