"""How fast plane waves travel on a lattice, and conductivities from wanted velocities.

A plane wave on voxels is a wave on one line: nodes fall on the planes p . i of an
integer direction p, a neighbour at o lies p . o planes away, and the lattice's own row
of weights acts along that line. So a wave in three dimensions is measured on a few
hundred nodes, with exactly the operator that tissue uses.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from physio.electrophysiology.cells.cell import rush_larsen
from physio.electrophysiology.diffusion.bond_average import (
    AbstractScheme,
    BondAverage,
    SecondOrder,
)
from physio.electrophysiology.diffusion.grid import HALF, bond_weights
from physio.electrophysiology.diffusion.operator import Lists

LENGTHS = (128, 256, 512, 1024, 2048)  # nodes of a line: few programs to compile
LONGEST = 200.0  # ms
_NEAR, _FAR = 12.0, 22.0  # where the wave is timed, in sqrt(D * 1 ms)
_BEYOND = 8.0  # and to the end: a slow upstroke feels it 2.7 sqrt(D) / velocity ahead
_FEWEST = 6  # neighbours between the two, and before the first


class Line(eqx.Module):
    """A plane wave's lattice: bonds' weights (1/ms), planes, and where to time it."""

    weights: Float[Array, " n_bond"]
    planes: Int[Array, " n_bond"]
    apart: Float[Array, ""]
    near: Int[Array, ""]
    far: Int[Array, ""]
    start: Int[Array, ""]


def line(
    diffusivity: Float[Array, "3 3"], spacing: float, direction: tuple[int, int, int]
) -> Line:
    """The line of a wave along an integer direction through uniform voxels (mm)."""
    weights = bond_weights(diffusivity[None], spacing)[:, 0]
    # (2, 0, 0) would be two lines that never meet: timed on one, then on the other
    p = np.asarray(direction) // np.gcd.reduce(direction)
    planes = np.array([int(p @ np.asarray(offset)) for offset in HALF])
    apart = spacing / np.linalg.norm(p)
    unit = jnp.asarray(p / np.linalg.norm(p), diffusivity.dtype)
    return _line(weights, planes, apart, unit @ diffusivity @ unit)


def cable(diffusivity: Any, spacing: Any) -> Line:
    """The line of a one-dimensional cable."""
    d, h = jnp.asarray(diffusivity), jnp.asarray(spacing)
    weights = jnp.zeros(len(HALF), d.dtype).at[0].set(d / h**2)
    return _line(weights, np.eye(len(HALF), dtype=int)[0], h, d)


def _line(weights: Array, planes: np.ndarray, apart: Any, along: Array) -> Line:
    reach = jnp.sqrt(along) / apart
    step = int(np.abs(planes).max())
    near = jnp.maximum(_NEAR * reach, _FEWEST * step).astype(jnp.int32)
    gap = jnp.maximum((_FAR - _NEAR) * reach, _FEWEST * step).astype(jnp.int32)
    start = jnp.maximum(4 * reach, 3 * step).astype(jnp.int32)
    near = near + start
    return Line(
        weights, jnp.asarray(planes, jnp.int32), jnp.asarray(apart, weights.dtype),
        near, near + gap, start,
    )  # fmt: skip


def stack(lines: list[Line]) -> Line:
    """Several lines as one batch."""
    return jax.tree.map(lambda *x: jnp.stack(x), *lines)


def velocities(
    cell: Any, lines: Line, *, dt: float = 0.02, scheme: AbstractScheme | None = None,
    start: Any = None,
) -> Float[np.ndarray, " n_line"]:  # fmt: skip
    """The velocity (mm/ms) of a plane wave on every line of a batch; NaN where none.

    ``start`` is the cells' state ahead of the wave, the model's own where None. Raises
    ``ValueError`` where a line is sampled too finely to be worth it (:func:`timeable`).
    """
    scheme = BondAverage() if scheme is None else scheme
    rest = cell.initial_state() if start is None else start
    needed = _needed(lines)
    if needed.max() > LENGTHS[-1]:
        raise ValueError(
            f"A wave needs {needed.max()} planes to be timed, at most {LENGTHS[-1]}: "
            "the spacing is far finer than this velocity needs."
        )
    length = np.asarray(LENGTHS)[np.searchsorted(LENGTHS, needed)]
    found = np.full(needed.size, np.nan)
    for count in np.unique(length):
        group = np.flatnonzero(length == count)
        part = jax.tree.map(lambda x, group=group: x[group], lines)
        found[group] = _timed(cell, part, rest, scheme, dt, int(count))
    return found


def timeable(lines: Line) -> Bool[np.ndarray, " n_line"]:
    """Whether a wave along each line of a batch is timed on few enough planes."""
    return _needed(lines) <= LENGTHS[-1]


def _needed(lines: Line) -> np.ndarray:
    """Planes up to where a wave is timed, and beyond: a sealed end speeds it up."""
    step = jnp.max(jnp.abs(lines.planes), axis=1)
    reach = (lines.far - lines.near) / (_FAR - _NEAR)
    return np.asarray(lines.far + jnp.maximum(4 * step, _BEYOND * reach)).astype(int)


@eqx.filter_jit
def _timed(
    cell: Any, lines: Line, rest: Any, scheme: AbstractScheme, dt: float, count: int
) -> Float[Array, " n_line"]:
    prepared = scheme.prepare(cell)
    rest = jax.tree.map(lambda x: jnp.broadcast_to(x, (count,)), rest)
    here = jnp.arange(count, dtype=jnp.int32)

    def one(line: Line) -> Array:
        kind = line.weights.dtype
        steps = jnp.concatenate([line.planes, -line.planes])
        other = here[None] + steps[:, None]
        inside = (other >= 0) & (other < count)
        both = jnp.concatenate([line.weights, line.weights])[:, None]
        operator = Lists(
            neighbours=jnp.where(inside, other, here[None]),
            weights=jnp.where(inside, both, 0),
            volumes=jnp.ones(count, kind),
            paired=True,
        )
        stimulated = here < line.start
        strength, duration = 1.2 * cell.stimulus[0], 2 * cell.stimulus[1]

        def unfinished(carry: Any) -> Array:
            index, _, times = carry
            return jnp.any(jnp.isnan(times)) & (index * dt < LONGEST)

        def step(carry: Any) -> Any:
            index, y, times = carry
            t = index.astype(kind) * jnp.asarray(dt, kind)
            stimulus = jnp.where(
                stimulated & (t < duration), strength, jnp.zeros((), kind)
            )
            drive = scheme.drive(cell, prepared, operator, y)
            after = rush_larsen(cell, y, drive, stimulus, dt)
            ends = jnp.stack([line.near, line.far])
            before, now = y.v[ends], after.v[ends]
            rose = (before < cell.threshold) & (now >= cell.threshold)
            share = (cell.threshold - before) / jnp.where(rose, now - before, 1)
            times = jnp.where(rose & jnp.isnan(times), t + dt * share, times)
            return index + 1, after, times

        first = (jnp.asarray(0, jnp.int32), rest, jnp.full(2, jnp.nan, kind))
        times = jax.lax.while_loop(unfinished, step, first)[2]
        return (line.far - line.near) * line.apart / (times[1] - times[0])

    return jax.vmap(one)(lines)


#: Where b and c are fitted: h / sqrt(D), in sqrt(ms).
FITTED_AT = (0.32, 0.65, 1.0, 1.4, 1.78, 2.2, 2.67, 3.2, 3.9)
_FINE = (0.2, 0.3)  # second order there is within 3 %, and extrapolated to zero


def free_velocity(cell: Any, *, dt: float = 0.01, start: Any = None) -> float:
    """Velocity over sqrt(D) without a grid (1/sqrt(ms)): extrapolated second order."""
    kind = jax.tree.leaves(cell)[0].dtype
    lines = stack([cable(jnp.ones((), kind), jnp.asarray(h, kind)) for h in _FINE])
    coarse, fine = (h**2 for h in reversed(_FINE))
    v = velocities(cell, lines, dt=dt, scheme=SecondOrder(), start=start)
    return float(v[0] + (v[0] - v[1]) * fine / (coarse - fine))


def fit_bond_average(
    cell: Any, *, dt: float = 0.01, at: tuple[float, ...] = FITTED_AT,
    guess: tuple[float, float] = (0.16, 0.07), start: Any = None, rounds: int = 8,
    states: tuple[str, ...] | None = None,
) -> tuple[float, float, Float[np.ndarray, " n_spacing"]]:  # fmt: skip
    """b and c that keep a cable's velocity on every grid, and the errors left (shares).

    Gauss-Newton on the logarithm of the velocity over the spacings ``at``, against
    :func:`free_velocity`; on the cable only, nothing is fitted to a benchmark.
    ``states`` are those the fast current is made of, the cell's own where None. Raises
    ``ValueError`` where the cell carries no wave.
    """
    kind = jax.tree.leaves(cell)[0].dtype
    lines = stack([cable(jnp.ones((), kind), jnp.asarray(h, kind)) for h in at])
    free = free_velocity(cell, dt=dt, start=start)
    if not np.isfinite(free):
        raise ValueError(f"A wave does not travel through {type(cell).__name__} cells.")

    def errors(b: float, c: float) -> np.ndarray:
        scheme = BondAverage(jnp.asarray(b, kind), jnp.asarray(c, kind), states)
        v = velocities(cell, lines, dt=dt, scheme=scheme, start=start)
        # a wave that stops counts as one ten times too slow
        return np.nan_to_num(np.log(v / free), nan=-2.3)

    x, step = np.asarray(guess, float), 2e-3
    here = errors(*x)
    for _ in range(rounds):
        slope = np.stack(
            [(errors(*(x + step * e)) - here) / step for e in np.eye(2)], axis=1
        )
        move = -np.linalg.lstsq(slope, here, rcond=None)[0]
        move = move * min(1.0, 0.05 / np.abs(move).max())
        trial = errors(*(x + move))
        if (trial**2).sum() >= (here**2).sum():
            break
        x, here = x + move, trial
    return float(x[0]), float(x[1]), np.expm1(here)
