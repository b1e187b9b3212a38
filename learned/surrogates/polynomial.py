"""A polynomial in all inputs, for simulators whose runs are cheap.

    y = sum_e w_e x^e,   sum(e) <= degree,

least squares with a trace of ridge. A prediction is one small matrix product, a hundred
times cheaper than a Gaussian process's; it wants several runs for each term (495 terms
for degree 4 in 8 inputs). Error bars are those of Bayesian linear regression,

    sd² = σ² (1 + h(x)),   h = φᵀ (ΦᵀΦ + λ)⁻¹ φ,

σ² being the mean square of the exact leave-one-out residuals (Allen 1974,
10.1080/00401706.1974.10489157).
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as linalg
from jaxtyping import Array, Float

ROWS_PER_TERM = 4  # fewest when the degree is chosen here
MOST_DEGREE = 6
_RIDGE = 1e-10  # of the mean square of a term, per row


def terms(x: Float[Array, "*any n_in"], degree: int) -> Float[Array, "*any n_term"]:
    """1 and every product of up to ``degree`` inputs.

    The products of k inputs that begin with input j are x_j times those of k - 1 that
    begin with j or later, which lie together at the end.
    """
    n_in = x.shape[-1]
    last, starts = x, list(range(n_in))
    parts = [jnp.ones_like(x[..., :1]), x]
    for _ in range(degree - 1):
        blocks = [x[..., j : j + 1] * last[..., starts[j] :] for j in range(n_in)]
        starts = np.cumsum([0, *(b.shape[-1] for b in blocks)])[:-1].tolist()
        last = jnp.concatenate(blocks, axis=-1)
        parts.append(last)
    return jnp.concatenate(parts, axis=-1)


_terms = jax.jit(terms, static_argnums=1)


class Polynomial(eqx.Module):
    """Polynomials of several standardised outputs over the same inputs.

    ``root`` turns terms into those whose squares sum to h(x); ``variance`` is σ².
    """

    stored_as: ClassVar[str] = "Polynomial"

    coefficients: Float[Array, "n_term n_out"]
    root: Float[Array, "n_term n_term"]
    variance: Float[Array, " n_out"]
    degree: int = eqx.field(static=True)

    def mean(self, x: Float[Array, " n_in"]) -> Float[Array, " n_out"]:
        """Expectations at one point."""
        return terms(x, self.degree) @ self.coefficients

    def moments(
        self, x: Float[Array, " n_in"]
    ) -> tuple[Float[Array, " n_out"], Float[Array, " n_out"]]:
        """Expectations and variances at one point."""
        phi = terms(x, self.degree)
        leverage = jnp.sum((self.root @ phi) ** 2)
        return phi @ self.coefficients, self.variance * (1.0 + leverage)


def _solved(x: np.ndarray, y: np.ndarray, degree: int) -> Polynomial:
    phi = np.asarray(_terms(jnp.asarray(x), degree))
    gram = phi.T @ phi
    gram[np.diag_indices_from(gram)] *= 1.0 + _RIDGE
    lower = linalg.cholesky(gram, lower=True)
    root = linalg.solve_triangular(lower, np.eye(len(gram)), lower=True)
    coefficients = root.T @ (root @ (phi.T @ y))
    leverage = np.square(phi @ root.T).sum(axis=1)
    left_out = (y - phi @ coefficients) / np.maximum(1.0 - leverage, 1e-6)[:, None]
    return Polynomial(
        jnp.asarray(coefficients), jnp.asarray(root),
        jnp.asarray(np.square(left_out).mean(axis=0)), degree,
    )  # fmt: skip


def fit_polynomial(
    x: Float[np.ndarray, "n n_in"],
    y: Float[np.ndarray, "n n_out"],
    start: Polynomial | None = None,
    *,
    degree: int | None = None,
) -> Polynomial:
    """Polynomials fitted to standardised rows.

    Without a ``degree``, the one of least median leave-one-out error among those that
    leave ``ROWS_PER_TERM`` rows to a term; ``start`` hands on its own. Raises
    ``ValueError`` where there are fewer rows than terms.
    """
    n, n_in = x.shape
    if degree is None and start is not None:
        degree = start.degree
    if degree is not None:
        wanted = math.comb(n_in + degree, degree)
        if n <= wanted:
            raise ValueError(
                f"Degree {degree} in {n_in} inputs has {wanted} terms; {n} rows do not "
                "tell them. Run the simulator more often, or lower the degree."
            )
        return _solved(x, y, degree)
    degrees = [
        d
        for d in range(1, MOST_DEGREE + 1)
        if ROWS_PER_TERM * math.comb(n_in + d, d) <= n
    ]
    found = [_solved(x, y, d) for d in degrees or [1]]
    return min(found, key=lambda p: float(np.median(p.variance)))
