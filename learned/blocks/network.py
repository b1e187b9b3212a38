"""The network inside every learned term: small, bounded, nothing at birth.

    h_0 = x,  h_k = r(W_k h_(k-1) + b_k),  out = scale r(W_n h_(n-1) + b_n)

with r(x) = x - 4 x^3 / 27 within +-1.5 and +-1 beyond: the cubic that meets +-1 with
slope 0 there. It costs no division and no exponential, which decides what a batch of
patients costs. The last layer is zero at birth, so that out is exactly 0.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

_BEND = 1.5  # where r reaches 1


def cubic(x: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """r(x): odd, rising, bounded by 1, of slope at most 1."""
    x = jnp.clip(x, -_BEND, _BEND)
    return x * (1.0 - x * x * (4.0 / 27.0))


class Network(eqx.Module):
    """A multilayer perceptron with outputs bounded to +-``scale``.

    ``weights`` and ``biases`` by layer; ``scale`` (n_out,) in the outputs' own unit.
    """

    stored_as: ClassVar[str] = "Network"

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    scale: Float[Array, " n_out"]

    def __call__(self, x: Float[Array, " n_in"]) -> Float[Array, " n_out"]:
        """The output for inputs within +-1."""
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = cubic(weight @ x + bias)
        return self.scale * x

    def per_node(
        self, inputs: tuple[Float[Array, " n_node"], ...]
    ) -> tuple[Float[Array, " n_node"], ...]:
        """The outputs at every node, inputs and outputs one array each.

        Sums are written out, so that a step of a tissue stays one pass over its nodes.
        """
        for weight, bias in zip(self.weights, self.biases, strict=True):
            sums = [
                sum((weight[j, i] * x for i, x in enumerate(inputs)), start=bias[j])
                for j in range(bias.size)
            ]
            inputs = tuple(cubic(x) for x in sums)
        return tuple(self.scale[j] * x for j, x in enumerate(inputs))

    def projected(self, limit: float) -> "Network":
        """The network with every layer's spectral norm at most ``limit``.

        Its slope is then at most scale x limit^layers per unit of normalised input.
        """
        return eqx.tree_at(
            lambda n: n.weights,
            self,
            tuple(
                w / jnp.maximum(1.0, jnp.linalg.norm(w, ord=2) / limit)
                for w in self.weights
            ),
        )

    def steepest(self) -> Float[Array, " n_out"]:
        """A bound on the slope of every output per unit of normalised input."""
        norms = [jnp.linalg.norm(w, ord=2) for w in self.weights]
        return self.scale * jnp.prod(jnp.stack(norms))


def network(
    n_in: int,
    scale: Float[np.ndarray, " n_out"],
    *,
    key: PRNGKeyArray,
    hidden: tuple[int, ...] = (16, 16),
) -> Network:
    """A network that answers 0 everywhere; ``scale`` bounds its outputs.

    Raises ``ValueError`` where a scale is not positive.
    """
    scale = np.atleast_1d(np.asarray(scale, float))
    if scale.ndim != 1 or not (np.isfinite(scale) & (scale > 0.0)).all():
        raise ValueError(
            f"scale bounds what the network may add, in the output's unit; got {scale}."
        )
    sizes = (n_in, *hidden, scale.size)
    keys = jax.random.split(key, len(sizes) - 1)
    weights = [
        jax.random.normal(k, (b, a)) / np.sqrt(a)
        for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]
    weights[-1] = jnp.zeros_like(weights[-1])
    biases = tuple(jnp.zeros(b) for b in sizes[1:])
    return Network(tuple(weights), biases, jnp.asarray(scale))
