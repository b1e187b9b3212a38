"""One Gaussian process per output, for simulators whose runs are dear.

With g = sum_j s_j^2 x_j z_j and q = sum_j s_j^2 (x_j^2 - 1)(z_j^2 - 1),

    k(x, z) = a m(|s (x - z)|) + b g + c g^2 + e q,
    m(r) = [(1 + √3 r) exp(-√3 r) + (1 + √5 r + 5 r²/3) exp(-√5 r) + exp(-r²/2)] / 3,

equal parts of the Matern kernels 3/2 and 5/2 and of the Gaussian one, since nobody
knows beforehand how smooth a simulator is. One relevance s_j of an input drives these
local parts and the quadratic trend.
Relevances are penalised by sum_j w_j s_j. The weights w_j are shared by all outputs and
follow from them: what few outputs need is doubted in the others too. Hyper-parameters
minimise -log marginal likelihood + penalty (L-BFGS; Rasmussen & Williams 2006, ch. 5).
"""

import contextlib
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as linalg
import scipy.optimize as optimize
from jaxtyping import Array, Float

PENALTY = 4.0  # of a relevance before any output was fitted
MOST_PENALTY = 60.0
SEARCH_ROWS = 700  # hyper-parameters are sought on no more rows than this
_BOUNDS = (-12.0, 6.0)  # of logarithms
_NOISE = (float(np.log(1e-7)), 2.0)  # least: keeps the covariance's Cholesky root
_SEARCH = {"maxiter": 200, "maxcor": 20, "gtol": 1e-3, "ftol": 1e-7}


class Kernel(eqx.Module):
    """The covariance of one output (module docstring), all in logarithms.

    ``relevance`` (n_in,) is log s; the rest are log a, b, c, e and the noise variance.
    """

    stored_as: ClassVar[str] = "Kernel"

    relevance: Float[Array, " n_in"]
    local: Float[Array, ""]
    linear: Float[Array, ""]
    product: Float[Array, ""]
    square: Float[Array, ""]
    noise: Float[Array, ""]

    def __call__(
        self, x: Float[Array, "n n_in"], z: Float[Array, "m n_in"]
    ) -> Float[Array, "n m"]:
        """Covariances without noise."""
        s = jnp.exp(self.relevance)[None, :]
        xs, zs = x * s, z * s
        g = xs @ zs.T
        q = ((x * x - 1.0) * s) @ ((z * z - 1.0) * s).T
        apart = jnp.sum(xs * xs, 1)[:, None] + jnp.sum(zs * zs, 1)[None, :] - 2.0 * g
        trend = jnp.exp(self.linear) * g + jnp.exp(self.product) * g * g
        return jnp.exp(self.local) * _local(apart) + trend + jnp.exp(self.square) * q

    def variance(self, x: Float[Array, " n_in"]) -> Float[Array, ""]:
        """Of one point, without noise."""
        return self(x[None, :], x[None, :])[0, 0]


def _local(squared: Array) -> Array:
    """m of squared distances; the small term keeps the roots' derivatives."""
    squared = jnp.maximum(squared, 0.0)
    r = jnp.sqrt(squared + 1e-12)
    a, b = 3**0.5 * r, 5**0.5 * r
    rough, middle = (1.0 + a) * jnp.exp(-a), (1.0 + b + b * b / 3.0) * jnp.exp(-b)
    return (rough + middle + jnp.exp(-0.5 * squared)) / 3.0


class Processes(eqx.Module):
    """Gaussian processes of several standardised outputs over the same inputs.

    ``kernels`` has the outputs on the first axis of every leaf, as ``weights`` =
    K^-1 y and ``precision`` = K^-1, K being the covariance of the rows with noise.
    """

    stored_as: ClassVar[str] = "Processes"

    x: Float[Array, "n n_in"]
    kernels: Kernel
    weights: Float[Array, "n_out n"]
    precision: Float[Array, "n_out n n"]

    def mean(self, x: Float[Array, " n_in"]) -> Float[Array, " n_out"]:
        """Expectations at one point."""

        def one(output: Any) -> Array:
            kernel, weights = output
            return (kernel(x[None, :], self.x) @ weights)[0]

        return jax.lax.map(one, (self.kernels, self.weights))

    def moments(
        self, x: Float[Array, " n_in"]
    ) -> tuple[Float[Array, " n_out"], Float[Array, " n_out"]]:
        """Expectations and variances (noise included) at one point."""

        def one(output: Any) -> tuple[Array, Array]:
            kernel, weights, precision = output
            k = kernel(x[None, :], self.x)
            known = jnp.sum((k @ precision) * k)
            own = kernel.variance(x) + jnp.exp(kernel.noise)
            return (k @ weights)[0], jnp.maximum(own - known, jnp.exp(kernel.noise))

        return jax.lax.map(one, (self.kernels, self.weights, self.precision))


_OTHERS = (-1.0, 0.0, -2.0, -2.0, -3.0)  # local, linear, product, square, noise


def _newborn(n_in: int) -> np.ndarray:
    return np.array([*[-2.0] * n_in, *_OTHERS])


def _kernel(flat: Array) -> Kernel:
    return Kernel(flat[: -len(_OTHERS)], *flat[-len(_OTHERS) :])


@jax.jit
def _covariance(flat: Array, x: Array) -> Array:
    kernel = _kernel(flat)
    return kernel(x, x) + jnp.exp(kernel.noise) * jnp.eye(x.shape[0])


@jax.jit
def _pulled(flat: Array, x: Array, cotangent: Array) -> Array:
    """The derivative of sum(cotangent * covariance)."""
    return jax.vjp(lambda flat: _covariance(flat, x), flat)[1](cotangent)[0]


def _inverted(covariance: Array) -> tuple[np.ndarray, float]:
    """Inverse and log determinant. LAPACK itself: a quarter of XLA's time on a CPU.

    Raises ``LinAlgError`` where the matrix is not positive definite.
    """
    matrix = np.asarray(covariance)
    potrf, potri = linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    root, failed = potrf(matrix, lower=1)
    if failed:
        raise linalg.LinAlgError("not positive definite")
    lower, _ = potri(root, lower=1)
    lower = np.tril(lower)
    return lower + np.tril(lower, -1).T, 2.0 * float(np.log(np.diag(root)).sum())


def _evidence(flat: np.ndarray, x: Array, y: np.ndarray) -> tuple[float, np.ndarray]:
    """-log marginal likelihood up to a constant, with its exact derivative."""
    try:
        inverse, log_determinant = _inverted(_covariance(flat, x))
    except linalg.LinAlgError:
        return 1e10, np.zeros_like(flat)
    weights = inverse @ y
    slope = _pulled(flat, x, 0.5 * (inverse - np.outer(weights, weights)))
    return 0.5 * float(y @ weights) + 0.5 * log_determinant, np.array(slope)


def _searched(start: np.ndarray, x: Array, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Where -log marginal likelihood + sum_j w_j s_j is least, from a start."""
    n_in = x.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _evidence(flat, x, y)
        penalty = w * np.exp(flat[:n_in])
        slope[:n_in] += penalty
        return value + float(penalty.sum()), slope

    bounds = [_BOUNDS] * (start.size - 1) + [_NOISE]
    begin = np.clip(start, *np.array(bounds).T)
    return optimize.minimize(
        loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=_SEARCH
    ).x


def _one_thread() -> Any:
    """BLAS on one thread where threadpoolctl (of scikit-learn) is at hand.

    On shared cores its threads wait for each other: ten times slower for 100 rows.
    """
    try:
        import threadpoolctl
    except ImportError:
        return contextlib.nullcontext()
    return threadpoolctl.threadpool_limits(1, "blas")


def shared_penalty(relevance: Float[np.ndarray, "n_out n_in"]) -> np.ndarray:
    """Weights w_j given log s of all outputs: the mean of their Gamma distribution.

    With s_j exponential of rate w_j in every output, and w_j exponential beforehand.
    """
    n_out = relevance.shape[0]
    rate = (n_out + 1.0) / (1.0 / PENALTY + np.exp(relevance).sum(axis=0))
    return np.minimum(rate, MOST_PENALTY)


def fit_processes(
    x: Float[np.ndarray, "n n_in"],
    y: Float[np.ndarray, "n n_out"],
    start: Processes | None = None,
) -> Processes:
    """Gaussian processes fitted to standardised rows.

    ``start`` (from nearly the same rows) saves the search from a cold start. With more
    than ``SEARCH_ROWS`` rows the hyper-parameters come from that many, spread evenly
    over the order of the rows; the predictions use all.
    """
    n, n_in = x.shape
    few = np.unique(np.linspace(0, n - 1, min(n, SEARCH_ROWS)).astype(int))
    some = jnp.asarray(x[few])

    def searched(found: np.ndarray, w: np.ndarray) -> np.ndarray:
        columns = zip(found, y[few].T, strict=True)
        return np.stack([_searched(flat, some, column, w) for flat, column in columns])

    with _one_thread():
        if start is None:
            found = np.tile(_newborn(n_in), (y.shape[1], 1))
            found = searched(found, np.full(n_in, PENALTY))
        else:
            leaves = jax.tree.leaves(start.kernels)
            found = np.column_stack([np.asarray(leaf) for leaf in leaves])
        found = searched(found, shared_penalty(found[:, :n_in]))
        precision = np.stack([_inverted(_covariance(flat, x))[0] for flat in found])
    weights = np.einsum("onm,mo->on", precision, y)
    return Processes(
        jnp.asarray(x), jax.vmap(_kernel)(jnp.asarray(found)), jnp.asarray(weights),
        jnp.asarray(precision),
    )  # fmt: skip
