"""A rising curve for every value of its weights: what the closures are made of.

    w(u) = u + sum_k (m_k - 1) (H_k(u) - H_k(0)),   u in 0 ... 1

with H_k the integral of the hat function at knot k and m_k > 0 the slope there, so
that w bends smoothly, rises, and maps 0 ... 1 onto itself. Slopes that are positive
functions of weights: Wehenkel & Louppe 2019, arXiv 1908.05164.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

INTERVALS = 8
# How far a slope may go from the published law's before all are scaled: 4 and 1 / 4.
_LOG_SLOPE = 1.3862943611198906


def hats(u: Float[Array, ""], intervals: int) -> Float[Array, " n_knot"]:
    """Integrals of the hat functions from far left to u, in intervals."""
    c = jnp.clip(intervals * u - jnp.arange(intervals + 1), -1.0, 1.0)
    return 0.5 + c - 0.5 * c * jnp.abs(c)


class MonotoneMap(eqx.Module):
    """A rising map of 0 ... 1 onto itself; the identity at birth and outside.

    ``weights`` (n_knot,), one a knot, give slopes between 1 / 16 and 16. Where
    ``convex`` the slope never falls; only weights above 0 then act, the first not at
    all, and a trained map is brought back by ``projected`` after each step.
    """

    stored_as: ClassVar[str] = "MonotoneMap"

    weights: Float[Array, " n_knot"]
    convex: bool = eqx.field(static=True, default=False)

    @classmethod
    def identity(cls, intervals: int, *, convex: bool = False) -> "MonotoneMap":
        """The identity. Raises ``ValueError`` for fewer than 2 intervals."""
        if intervals < 2:
            raise ValueError(
                f"A learned curve needs 2 intervals or more; got {intervals}."
            )
        return cls(jnp.zeros(intervals + 1), convex)

    def slopes(self) -> Float[Array, " n_knot"]:
        """Slopes at the knots; their integral is 1."""
        bent = jnp.tanh(self.weights)
        if self.convex:
            most = jnp.expm1(2.0 * _LOG_SLOPE) / (bent.size - 1)
            rises = jnp.cumsum(jnp.maximum(bent[1:], 0.0))
            slopes = jnp.concatenate([jnp.ones_like(bent[:1]), 1.0 + most * rises])
        else:
            slopes = jnp.exp(_LOG_SLOPE * bent)
        return slopes / jnp.mean(0.5 * (slopes[1:] + slopes[:-1]))

    def displacement(self, u: Float[Array, ""]) -> Float[Array, ""]:
        """w(u) - u: exactly 0 at birth, 0 to round-off outside 0 ... 1."""
        intervals = self.weights.size - 1
        u = jnp.clip(u, 0.0, 1.0)
        area = hats(u, intervals) - hats(jnp.zeros_like(u), intervals)
        return jnp.sum((self.slopes() - 1.0) * area) / intervals

    def projected(self) -> "MonotoneMap":
        """The map with weights that have no effect brought back to 0."""
        kept = jnp.maximum(self.weights, 0.0) if self.convex else self.weights
        return eqx.tree_at(lambda m: m.weights, self, kept)
