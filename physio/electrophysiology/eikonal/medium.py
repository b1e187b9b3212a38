"""How fast a front travels along the fibre, the sheet and their normal, everywhere."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from physio.electrophysiology.diffusion.conductivity import Velocities

_UNIT = 1e-3  # directions are stored in 32 bits or with a few digits
_SKEW = 1e-2  # half a degree


def check(velocity: Any, n_axes: int, lengths: dict[str, int], place: str = "") -> None:
    """Raise ``ValueError`` where velocities do not fit a tissue.

    ``n_axes`` is 0 without fibres, 1 with fibres, 2 with sheets, ``lengths`` how many
    values there may be, by what of. Under jit only the lengths are seen.
    """
    if not isinstance(velocity, Velocities):
        raise ValueError(
            f"Wanted Velocities(fibre, sheet, normal){place}; got {velocity!r}."
        )
    for name, values in velocity.named:
        if values.ndim and values.size not in lengths.values():
            wanted = " or ".join(f"{n} ({what})" for what, n in lengths.items())
            raise ValueError(
                f"The {name} velocity{place} has {values.size} values; give one number "
                f"or one for each of {wanted}."
            )
    if any(isinstance(values, Tracer) for _, values in velocity.named):
        return
    given = {name: np.asarray(values) for name, values in velocity.named}
    for name, values in given.items():
        bad = values[~(np.isfinite(values) & (values >= 0))]
        if bad.size:
            raise ValueError(
                f"The {name} velocity{place} holds {bad.size} values like {bad[0]} "
                "mm/ms. Velocities are finite and >= 0; 0 where nothing conducts."
            )
    spare = {0: ("fibre", "sheet", "normal"), 1: ("sheet", "normal")}.get(n_axes, ())
    for name in spare[1:]:
        if not np.array_equal(given[name], given[spare[0]]):
            lacks, line = (
                ("sheets", "Velocities(along, across, across)")
                if n_axes
                else ("fibres", "Velocities.isotropic(velocity)")
            )
            raise ValueError(
                f"The geometry{place} has no {lacks}, so its {name} velocity must be "
                f"its {spare[0]} velocity. Give it {lacks}, or type {line}."
            )
    still = [values == 0 for values in given.values()]
    for other in still[1:]:
        # one per node beside one per element have no places in common
        fits = 1 in (still[0].size, other.size) or still[0].size == other.size
        if fits and np.any(still[0] != other):
            raise ValueError(
                f"Velocities{place} are 0 in some directions only. Give 0 in all "
                "three where nothing conducts, and above 0 in all three elsewhere."
            )


def speeds(
    velocity: Any, n_axes: int, spread: Callable[[Array], Array]
) -> Float[Array, "n_medium 3"]:
    """The three velocities of each element or voxel; ``spread`` makes one for each."""
    fibre, sheet, normal = (
        spread(values.astype(velocity.dtype)) for _, values in velocity.named
    )
    if n_axes == 0:
        sheet = normal = fibre
    elif n_axes == 1:
        normal = sheet
    return jnp.stack([fibre, sheet, normal], axis=1)


def unit_axes(given: Any, n: int, name: str) -> np.ndarray:
    """Directions as an array, zeros where not given; they are 0 or 1 long."""
    if given is None:
        return np.zeros((n, 3))
    axes = np.asarray(given, dtype=np.float64)
    if axes.shape != (n, 3):
        raise ValueError(f"The {name} have shape {axes.shape}; wanted {(n, 3)}.")
    length = np.linalg.norm(axes, axis=1)
    bad = ~((np.abs(length - 1.0) < _UNIT) | (length == 0.0))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of the {name} are not unit vectors; the first is "
            f"{axes[bad][0]}. Normalise them, or give 0 0 0 where there is none."
        )
    return axes


def count_axes(fibres: Any, sheets: Any) -> int:
    """0 without fibres, 1 with fibres, 2 with sheets too."""
    return 0 if fibres is None else 1 + (sheets is not None)


def check_right_angles(fibres: np.ndarray, sheets: np.ndarray) -> None:
    """Raise ``ValueError`` where sheets are not across their fibres."""
    skew = np.abs(np.sum(fibres * sheets, axis=1)) > _SKEW
    if skew.any():
        raise ValueError(
            f"{skew.sum()} of the sheet directions are not at right angles to their "
            f"fibres; the first is number {int(np.argmax(skew))}. Take the part of "
            "the sheet direction along the fibre away and normalise the rest."
        )


class Medium(eqx.Module):
    """Conduction velocity along the axes of each element or voxel.

    ``velocities`` are along fibre, sheet and normal (mm/ms), 0 where nothing conducts.
    A direction of length 0 stands for none: the normal's velocity is in its place.
    """

    fibres: Float[Array, "n_medium 3"]
    sheets: Float[Array, "n_medium 3"]
    velocities: Float[Array, "n_medium 3"]

    @property
    def conducts(self) -> Bool[Array, " n_medium"]:
        """Where all three velocities are above zero."""
        return jnp.min(self.velocities, axis=1) > 0

    @property
    def dtype(self) -> Any:
        return self.velocities.dtype

    def squared_time(
        self, way: Float[Array, "n 3"], index: Int[Array, " n"]
    ) -> Float[Array, " n"]:
        """way^T C^-1 way (ms^2) in the medium ``index``; meaningless at velocity 0."""
        speed = self.velocities[index]
        slowness = 1.0 / jnp.where(speed > 0, speed, 1.0) ** 2
        along, across, normal = slowness.T
        fibre = jnp.sum(self.fibres[index] * way, axis=1)
        sheet = jnp.sum(self.sheets[index] * way, axis=1)
        rest = jnp.sum(way * way, axis=1)
        return (
            normal * rest
            + (along - normal) * fibre * fibre
            + (across - normal) * sheet * sheet
        )

    def travel_time(
        self, way: Float[Array, "n 3"], index: Int[Array, " n"]
    ) -> Float[Array, " n"]:
        """sqrt(way^T C^-1 way) (ms), with derivative 0 where the way is 0."""
        squared = self.squared_time(way, index)
        moves = squared > 0
        return jnp.where(moves, jnp.sqrt(jnp.where(moves, squared, 1.0)), 0.0)

    def tensor(self) -> Float[Array, "n_medium 6"]:
        """C as xx yy zz xy xz yz (mm^2/ms^2), 0 where nothing conducts."""
        along, across, normal = jnp.where(
            self.conducts[:, None], self.velocities**2, 0.0
        ).T
        f, s = self.fibres, self.sheets
        parts = []
        for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
            part = (along - normal) * f[:, i] * f[:, j]
            part = part + (across - normal) * s[:, i] * s[:, j]
            parts.append(part + normal if i == j else part)
        return jnp.stack(parts, axis=1)


def mean_slow_time(medium: Medium, length: Array) -> Float[Array, ""]:
    """The mean travel time over a length the slow way, where anything conducts (ms)."""
    slowest = jnp.min(medium.velocities, axis=1)
    moves = slowest > 0
    time = jnp.where(moves, length / jnp.where(moves, slowest, 1.0), 0.0)
    return jnp.sum(time) / jnp.maximum(jnp.sum(moves), 1).astype(medium.dtype)
