"""Conductivities that give wanted velocities on a grid, for every fibre direction.

On voxels the velocity along a fibre depends a little on the fibre's angle to the grid.
So the diffusivities are found at a few integer directions (the one along on the row of
a wave along the fibre, the one across on the geometric mean of two transverse rows) and
written as a smooth function of the direction with the cube's symmetry. A cable knows
one direction only.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from physio.electrophysiology.diffusion.bond_average import AbstractScheme, BondAverage
from physio.electrophysiology.diffusion.conductivity import (
    Conductivity,
    Membrane,
    Velocities,
)
from physio.electrophysiology.diffusion.grid import ActiveVoxels, FullGrid, tensor
from physio.electrophysiology.velocity.plane_waves import (
    Line,
    cable,
    free_velocity,
    line,
    stack,
    timeable,
    velocities,
)

WIDEST = 4.5  # h / sqrt(D): beyond it the bond average conducts too fast
_ROUNDS = 4
#: Fibre directions the table is made at, each with two directions across it.
_FIBRES = (
    ((1, 0, 0), (0, 1, 0), (0, 1, 1)),
    ((1, 1, 0), (1, -1, 0), (0, 0, 1)),
    ((1, 1, 1), (1, -1, 0), (1, 1, -2)),
    ((2, 1, 0), (1, -2, 0), (0, 0, 1)),
    ((5, 2, 0), (2, -5, 0), (0, 0, 1)),
    ((2, 1, 1), (0, 1, -1), (1, -1, -1)),
    ((2, 2, 1), (1, -1, 0), (1, 1, -4)),
    ((3, 2, 1), (1, -1, -1), (1, 4, -5)),
    ((4, 1, 1), (0, 1, -1), (1, -2, -2)),
)  # fmt: skip


class Tuned(NamedTuple):
    """A conductivity, and how far its waves were from what was wanted.

    ``waves`` holds the velocity wanted and got (mm/ms) of the wave that missed most
    ``along``, ``across`` and ``between``, at fibre directions that the table was not
    made at; a cable has one direction, ``along``.
    """

    conductivity: Conductivity
    waves: dict[str, tuple[float, float]]

    @property
    def errors(self) -> dict[str, float]:
        """The shares by which those waves missed."""
        return {name: missed(wave) for name, wave in self.waves.items()}


def missed(wave: tuple[float, float]) -> float:
    """The share by which a wave's velocity misses the wanted one: (wanted, got)."""
    wanted, got = wave
    return abs(got / wanted - 1)


def worse(
    one: dict[str, tuple[float, float]], other: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Of waves by name, the one of both that missed more."""
    return one | {k: max(one.get(k, w), w, key=missed) for k, w in other.items()}


def tune_velocity(
    cell: Any,
    wanted: Velocities,
    geometry: Any,
    *,
    dt: float = 0.02,
    scheme: AbstractScheme | None = None,
    membrane: Membrane | None = None,
    start: Any = None,
) -> Tuned:
    """The conductivity with which a geometry conducts at the wanted velocities.

    ``geometry`` is a :class:`FullGrid` or :class:`ActiveVoxels`; for meshes see
    :mod:`physio.electrophysiology.velocity.mesh_tuning`. ``scheme``, ``dt`` and
    ``start`` are those of the runs to come. Raises ``ValueError`` where a velocity is
    not positive, or where the spacing is wider than ``WIDEST`` square roots of the
    diffusivity.
    """
    scheme = BondAverage() if scheme is None else scheme
    membrane = Membrane() if membrane is None else membrane
    kind = CableTuner if along_one_axis(geometry) else _Tuner
    tuner = kind(cell, _spacing(geometry), dt, scheme, start)
    rows, place = _unique(wanted, geometry.nodes.shape[0])
    fibres = _fibres(geometry)
    parts, waves = [], {}
    for row in rows:
        table = tuner.table(row)
        parts.append(table(fibres))
        waves = worse(waves, tuner.waves(row, table))
    chosen = np.stack(parts)[place, :, np.arange(len(place)) % len(fibres)].T
    if len(rows) == 1 and len(fibres) == 1:
        chosen = chosen[:, 0]
    found = membrane.conductivity(jnp.asarray(chosen, tuner.kind))
    return Tuned(found, waves)


def along_one_axis(geometry: Any) -> bool:
    """Whether the nodes are one row along a grid axis, the fibres along it."""
    extent = np.ptp(np.asarray(geometry.nodes, float), axis=0) > 0
    if extent.sum() != 1:
        return False
    return bool(np.all(np.abs(_fibres(geometry)[:, extent.argmax()]) > 1 - 1e-6))


def down(x: float) -> float:
    """Two digits, never more than x: an upper limit that can be typed."""
    return _two_digits(x, np.floor, 1 + 1e-9)


def up(x: float) -> float:
    """Two digits, never less than x: a lower limit that can be typed."""
    return _two_digits(x, np.ceil, 1 - 1e-9)


def _two_digits(x: float, whole: Any, slack: float) -> float:
    digit = 10.0 ** (np.floor(np.log10(x)) - 1)
    return float(f"{whole(x / digit * slack) * digit:.2g}")


def _spacing(geometry: Any) -> float:
    if isinstance(geometry, ActiveVoxels):
        return geometry.spacing
    if isinstance(geometry, FullGrid):
        if len(set(geometry.spacing)) > 1:
            raise ValueError(
                f"Tuning wants one spacing along all axes; got {geometry.spacing}."
            )
        return geometry.spacing[0]
    raise ValueError(f"Voxels or a grid are wanted; got a {type(geometry).__name__}.")


def _fibres(geometry: Any) -> np.ndarray:
    if isinstance(geometry, FullGrid):
        return np.eye(3)[[geometry.order.index(0)]]
    return np.asarray(geometry.fibres, float)


def _unique(wanted: Velocities, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of wanted velocities, and each node's."""
    named = {name: np.asarray(v, float) for name, v in wanted.named}
    for name, values in named.items():
        if values.size not in (1, count) or not (values > 0).all():
            raise ValueError(
                f"The velocity along the {name} must be positive (mm/ms = m/s), one or "
                f"one per node ({count}); got {values.size} from {values.min():g}."
            )
    table = np.stack(
        [np.broadcast_to(v.reshape(-1), (count,)) for v in named.values()], axis=1
    )
    rows, place = np.unique(table, axis=0, return_inverse=True)
    return rows, place.reshape(-1)


def _basis(fibres: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 5"]:
    """Smooth functions of a direction that the cube's symmetries leave alone."""
    squares = fibres**2
    fourth = (squares**2).sum(axis=1)
    sixth = squares.prod(axis=1)
    one = np.ones_like(fourth)
    return np.stack([one, fourth, sixth, fourth**2, fourth**3], axis=1)


class _Table(NamedTuple):
    """log diffusivity along fibre, sheet and normal as functions of the direction."""

    coefficients: Float[np.ndarray, "3 5"]

    def __call__(self, fibres: Float[np.ndarray, "n 3"]) -> np.ndarray:
        return np.exp(self.coefficients @ _basis(fibres).T)


class Waves:
    """A cell's waves at one spacing, timed."""

    def __init__(
        self, cell: Any, spacing: float, dt: float, scheme: AbstractScheme, start: Any
    ) -> None:
        self.cell, self.spacing, self.dt = cell, spacing, dt
        self.scheme, self.start = scheme, start
        self.kind = jax.tree.leaves(cell)[0].dtype
        self.free = free_velocity(cell, start=start)
        self.slowest = np.inf

    def check(self, velocity: float) -> None:
        """Raise where a wave of this velocity is sampled too coarsely, or cannot be."""
        self.slowest = velocity
        if not np.isfinite(self.free):
            raise ValueError(
                f"A {type(self.cell).__name__} in this state carries no wave on any "
                "grid: it is too hard to excite."
            )
        width = self.spacing * self.free / velocity
        if width > WIDEST:
            raise ValueError(
                f"At {self.spacing:g} mm a wave of {velocity:g} m/s is sampled too "
                f"coarsely (h / sqrt(D) = {width:.1f}, at most {WIDEST}): it would run "
                f"too fast. Take a spacing of at most "
                f"{down(WIDEST * velocity / self.free):g} mm."
            )

    def measured(self, lines: Line) -> np.ndarray:
        """The velocity of a plane wave on every line of a batch (mm/ms)."""
        v = velocities(
            self.cell, lines, dt=self.dt, scheme=self.scheme, start=self.start
        )
        if np.isnan(v).any():
            raise ValueError(self.lost())
        return v

    def lost(self) -> str:
        """What to say of a wave that does not travel, with the spacing to type."""
        why = (
            f"At {self.spacing:g} mm a wave does not travel at the wanted velocity "
            f"with {type(self.scheme).__name__}: the spacing is too coarse, or the "
            "cells too hard to excite."
        )
        finer = self.slowest / self.free  # h / sqrt(D) = 1: every scheme conducts
        if finer < self.spacing:
            return f"{why} Take a spacing of at most {down(finer):g} mm."
        return f"{why} Pace them more slowly."


class CableTuner(Waves):
    """One direction: every diffusivity that of the wave along the cable, scaled."""

    def table(self, row: np.ndarray) -> Any:
        """Diffusivities for one set of wanted velocities, at any number of fibres."""
        self.check(row[0])
        d = (row[0] / self.free) ** 2
        for _ in range(_ROUNDS):
            d *= (row[0] / self._velocity(d)) ** 2
        found = d * (row / row[0])[:, None] ** 2
        return lambda fibres: np.tile(found, (1, len(fibres)))

    def waves(self, row: np.ndarray, table: Any) -> dict[str, tuple[float, float]]:
        """The velocity wanted and got."""
        d = float(table(np.eye(3)[:1])[0, 0])
        return {"along": (float(row[0]), self._velocity(d))}

    def _velocity(self, d: float) -> float:
        one = cable(jnp.asarray(d, self.kind), jnp.asarray(self.spacing, self.kind))
        return float(self.measured(stack([one]))[0])


class _Tuner(Waves):
    """Every direction of the fibre on a lattice."""

    def table(self, row: np.ndarray) -> _Table:
        """Diffusivities for one set of wanted velocities."""
        self.check(row.min())
        along, sheet, normal = row
        first = self._transverse(along, float(np.sqrt(sheet * normal)))
        if sheet == normal:
            return _Table(np.stack([first[0], first[1], first[1]]))
        each = [self._transverse(along, v)[1] for v in (sheet, normal)]
        return _Table(np.stack([first[0], *each]))

    def _transverse(self, along: float, across: float) -> tuple[np.ndarray, np.ndarray]:
        units = np.array([np.array(f) / np.linalg.norm(f) for f, *_ in _FIBRES])
        d = np.tile((np.array([along, across]) / self.free) ** 2, (len(units), 1))
        for _ in range(_ROUNDS):
            lines = [
                self._line(unit, pair, direction)
                for unit, pair, directions in zip(units, d, _FIBRES, strict=True)
                for direction in directions
            ]
            v = self.measured(stack(lines)).reshape(-1, 3)
            d[:, 0] *= (along / v[:, 0]) ** 2
            d[:, 1] *= across**2 / (v[:, 1] * v[:, 2])
        fit = np.linalg.lstsq(_basis(units), np.log(d), rcond=None)[0]
        return fit[:, 0], fit[:, 1]

    def _line(self, unit: np.ndarray, pair: np.ndarray, direction: Any) -> Line:
        d = jnp.asarray([pair[0], pair[1], pair[1]], self.kind)
        whole = tensor(d[:, None], jnp.asarray(unit, self.kind)[None], None)[0]
        return line(whole, self.spacing, direction)

    def waves(self, row: np.ndarray, table: _Table) -> dict[str, tuple[float, float]]:
        """Wanted and got by the waves that miss most, off the table's directions.

        A wave oblique enough to need more planes than are timed is left out: that far
        below the front's width velocities do not depend on the direction.
        """
        if row[1] != row[2]:
            row = np.array([row[0], np.sqrt(row[1] * row[2]), np.sqrt(row[1] * row[2])])
        lines, goals, kinds = [], [], []
        for fibre, across in CHECKED:
            unit = np.array(fibre) / np.linalg.norm(fibre)
            d = table(unit[None])[:, 0]
            pair = np.array([d[0], np.sqrt(d[1] * d[2])])
            slanted = [
                tuple(f + k * a for f, a in zip(fibre, across[0], strict=True))
                for k in (1, 2)
            ]
            for kind, directions in (
                ("along", [fibre]), ("across", across), ("between", slanted),
            ):  # fmt: skip
                for p in directions:
                    lines.append(self._line(unit, pair, p))
                    share = (unit @ p) ** 2 / (np.array(p) @ p)
                    goals.append(
                        np.sqrt(row[0] ** 2 * share + row[1] ** 2 * (1 - share))
                    )
                    kinds.append(kind)
        every = stack(lines)
        kept = timeable(every)
        got = self.measured(jax.tree.map(lambda x: x[kept], every))
        found: dict[str, tuple[float, float]] = {}
        for k, v in zip(np.flatnonzero(kept), got, strict=True):
            found |= worse(found, {kinds[k]: (float(goals[k]), float(v))})
        return found


#: Where errors are told: fibres at 0, 22.6 and 45 degrees and 45 out of the plane.
CHECKED = (
    ((1, 0, 0), [(0, 1, 0), (0, 1, 1)]),
    ((12, 5, 0), [(-5, 12, 0), (0, 0, 1)]),
    ((1, 1, 0), [(1, -1, 0), (0, 0, 1)]),
    ((12, 5, 13), [(-5, 12, 0), (12, 5, -13)]),
    ((1, 1, 1), [(1, -1, 0), (1, 1, -2)]),
)
