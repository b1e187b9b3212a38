"""Where something was learned, and how far a question lies outside of it.

Every learned part states the box of its training inputs. Inside it answers, beyond it
the mechanistic model does; between the two lies a margin in which the part fades.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

MARGIN = 0.1  # widths of the range over which a learned part fades outside of it


class Range(eqx.Module):
    """The box of the training inputs: bounds by name, in the inputs' own units.

    Raises ``ValueError`` where a bound is not finite or nothing lies between two.
    """

    stored_as: ClassVar[str] = "Range"

    names: tuple[str, ...] = eqx.field(static=True)
    units: tuple[str, ...] = eqx.field(static=True)
    lower: Float[Array, " n_in"] = eqx.field(converter=jnp.asarray)
    upper: Float[Array, " n_in"] = eqx.field(converter=jnp.asarray)

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        units: tuple[str, ...],
        samples: Float[np.ndarray, "n_sample n_in"],
    ) -> "Range":
        """The range of samples. Raises ``ValueError`` for NaN and constant inputs."""
        samples = np.asarray(samples, float)
        if samples.ndim != 2 or samples.shape[1] != len(names) or not len(samples):
            raise ValueError(
                f"Samples of {', '.join(names)} have one column each; got shape "
                f"{samples.shape}."
            )
        for name, column in zip(names, samples.T, strict=True):
            if not np.isfinite(column).all():
                raise ValueError(
                    f"{name}: {int((~np.isfinite(column)).sum())} of {column.size} "
                    "values are not finite. Leave those rows out."
                )
            if np.ptp(column) == 0.0:
                raise ValueError(
                    f"{name} is {column[0]:g} in all {column.size} samples: nothing "
                    "can be learned from it. Leave it out, or vary it."
                )
        return cls(tuple(names), tuple(units), samples.min(axis=0), samples.max(axis=0))

    def check(self) -> "Range":
        """This range, where it is sound; outside of jit."""
        low, high = np.asarray(self.lower), np.asarray(self.upper)
        if not len(self.names) == len(self.units) == low.size == high.size:
            raise ValueError(
                f"A range wants a name, a unit and two bounds for each input; got "
                f"{len(self.names)}, {len(self.units)}, {low.size}, {high.size}."
            )
        for name, a, b in zip(self.names, low, high, strict=True):
            if not (np.isfinite(a) and np.isfinite(b) and a < b):
                raise ValueError(f"{name}: {a:g} to {b:g} is no range.")
        return self

    @property
    def width(self) -> Float[Array, " n_in"]:
        """Upper minus lower bound."""
        return self.upper - self.lower

    def _bounds(self, x: Array) -> tuple[Array, Array]:
        """The bounds, shaped so that they broadcast against x (..., n_in)."""
        shape = (1,) * (x.ndim - 1) + (-1,)
        return self.lower.reshape(shape), self.upper.reshape(shape)

    def clipped(self, x: Float[Array, "*any n_in"]) -> Float[Array, "*any n_in"]:
        """The nearest point of the range."""
        low, high = self._bounds(x)
        return jnp.clip(x, low, high)

    def normalised(self, x: Float[Array, "*any n_in"]) -> Float[Array, "*any n_in"]:
        """-1 at the lower, 1 at the upper bound."""
        low, high = self._bounds(x)
        return 2.0 * (x - low) / (high - low) - 1.0

    def excess(self, x: Float[Array, "*any n_in"]) -> Float[Array, "*any n_in"]:
        """How far outside every input lies, in widths of its range; 0 inside."""
        low, high = self._bounds(x)
        return jnp.maximum(jnp.maximum(low - x, x - high), 0.0) / (high - low)

    def gate(self, x: Float[Array, "*any n_in"]) -> Float[Array, "*any"]:
        """1 inside the range, 0 from ``MARGIN`` widths outside, smooth between."""
        return faded(jnp.sum(self.excess(x), axis=-1))


def faded(excess: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """1 at no excess, 0 from ``MARGIN`` on: 1 - 3 s^2 + 2 s^3 (smoothstep)."""
    s = jnp.minimum(excess / MARGIN, 1.0)
    return 1.0 - s * s * (3.0 - 2.0 * s)
