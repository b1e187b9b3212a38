# pyright: reportPrivateImportUsage=false
# (tinygp names what it exports only in its documentation)
"""What a simulated observable still lacks: a Gaussian process over named inputs.

    measured = simulated + s (f(x) + a_p + g_p(x)) + e,    e ~ N(0, n^2 + (r s)^2)

f is shared by all patients; a_p, a constant, and g_p belong to patient p; s is 1 for
a "difference" and the simulated value for a "ratio" (for a log ratio give the
difference of logs). f and g_p have Matern-5/2 kernels with a length for every input;
their sizes come from the marginal likelihood of a cohort. Kennedy & O'Hagan 2001,
10.1111/1467-9868.00294; Rasmussen & Williams 2006, chapters 2 and 5.

What the cohort told about f is kept as its mean and covariance at support points,
which is exact where those are all of the cohort's distinct inputs. No patient's data
is kept. Outside of the cohort's range the mean fades to 0 and the sd to the prior's.
"""

import math
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.optimize import minimize

from learned.blocks.ranges import Range

Kind = Literal["difference", "ratio"]
MAX_SUPPORT = 64
_INSTALL = "tinygp is not installed. Type: pip install 'cordax[learn]'"
_PAD = 32  # rows come in multiples, so that cohorts of like size share a program
_JITTER = 1e-8
_TINY = 1e-24  # squared distance below which points are one; its root has a slope
#: Logs of the sizes stay above this many e-folds below the data's: 0, to the fit.
_FLOOR = -7.0


class Comparison(NamedTuple):
    """Measured beside simulated observables, in one unit, at the inputs of each."""

    inputs: Float[ArrayLike, "n_case n_in"]
    measured: Float[ArrayLike, " n_case"]
    simulated: Float[ArrayLike, " n_case"]


class Sizes(eqx.Module):
    """How large and how smooth the parts are; see the equation of this module.

    Sizes are in the unit of the discrepancy (1 for a ratio), ``noise_sd`` in that of
    the observable, lengths in half widths of the inputs' range.
    """

    stored_as: ClassVar[str] = "Sizes"

    population_sd: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    population_lengths: Float[Array, " n_in"] = eqx.field(converter=jnp.asarray)
    offset_sd: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    patient_sd: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    patient_lengths: Float[Array, " n_in"] = eqx.field(converter=jnp.asarray)
    noise_sd: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    relative_noise_sd: Float[Array, ""] = eqx.field(converter=jnp.asarray)

    def prior_variance(self) -> Float[Array, ""]:
        """Of the discrepancy at any input, before anything was measured."""
        return self.population_sd**2 + self.offset_sd**2 + self.patient_sd**2


class Discrepancy(eqx.Module):
    """A learned discrepancy: what is known of every patient, and how to learn one."""

    stored_as: ClassVar[str] = "Discrepancy"

    kind: Kind = eqx.field(static=True)
    range: Range
    sizes: Sizes
    support: Float[Array, "n_support n_in"] = eqx.field(converter=jnp.asarray)
    mean: Float[Array, " n_support"] = eqx.field(converter=jnp.asarray)
    covariance: Float[Array, "n_support n_support"] = eqx.field(converter=jnp.asarray)

    def scale(self, simulated: Float[Array, " n_case"]) -> Float[Array, " n_case"]:
        """What multiplies the discrepancy: 1, or the simulated value of a ratio."""
        return simulated if self.kind == "ratio" else jnp.ones_like(simulated)

    def noise_variance(
        self, simulated: Float[Array, " n_case"]
    ) -> Float[Array, " n_case"]:
        """Of a measurement about simulated plus discrepancy."""
        relative = self.sizes.relative_noise_sd * self.scale(simulated)
        return self.sizes.noise_sd**2 + relative**2

    def delta(
        self, inputs: Float[ArrayLike, "n_case n_in"], own: Comparison | None = None
    ) -> tuple[Float[Array, " n_case"], Float[Array, "n_case n_case"]]:
        """Mean and covariance of f + a_p + g_p given the patient's own comparisons.

        Multiply by :meth:`scale` for the unit of the observable. Without ``own`` the
        patient is a new one.
        """
        inputs = jnp.asarray(inputs)
        gate, x = self.range.gate(inputs), self.range.normalised(inputs)
        mean, covariance = self._posterior(inputs, own)
        prior = _shared(self.sizes, x, x) + _own(self.sizes, x, x)
        # the root of 0 has no slope
        outside = gate < 1.0
        faded = jnp.where(outside, jnp.sqrt(jnp.where(outside, 1 - gate**2, 1.0)), 0.0)
        return gate * mean, covariance * _outer(gate) + prior * _outer(faded)

    def _posterior(self, inputs: Array, own: Comparison | None) -> tuple[Array, Array]:
        if own is None:
            return self._prior(inputs)
        where, measured, simulated = map(jnp.asarray, own)
        count, seen = len(inputs), self.range.gate(where)
        mean, covariance = self._prior(jnp.concatenate([inputs, where]))
        # what was measured outside of the range is not evidence for what is inside
        scale = self.scale(simulated) * seen
        across = covariance[:count, count:] * scale[None, :]
        noise = self.noise_variance(simulated)
        among = covariance[count:, count:] * _outer(scale) + jnp.diag(noise)
        left = (measured - simulated) * seen - scale * mean[count:]
        factor = jax.scipy.linalg.cho_factor(among, lower=True)
        gained = jax.scipy.linalg.cho_solve(factor, across.T).T
        told = gained @ across.T
        return mean[:count] + gained @ left, covariance[:count, :count] - told

    def _prior(self, inputs: Array) -> tuple[Array, Array]:
        """Of a patient of whom nothing is known, given the cohort."""
        x = self.range.normalised(inputs)
        covariance = _shared(self.sizes, x, x) + _own(self.sizes, x, x)
        if self.mean.size == 0:
            return jnp.zeros(len(x)), covariance
        nodes = self.range.normalised(self.support)
        at_nodes = _steady(_shared(self.sizes, nodes, nodes))
        factor = jax.scipy.linalg.cho_factor(at_nodes, lower=True)
        weights = jax.scipy.linalg.cho_solve(factor, _shared(self.sizes, nodes, x)).T
        told = weights @ (at_nodes - self.covariance) @ weights.T
        return weights @ self.mean, covariance - told

    def predict(
        self,
        inputs: Float[ArrayLike, "n_case n_in"],
        simulated: Float[ArrayLike, " n_case"],
        own: Comparison | None = None,
    ) -> tuple[Float[Array, " n_case"], Float[Array, " n_case"]]:
        """Mean and sd of what would be measured, noise included."""
        mean, covariance = self.delta(inputs, own)
        simulated = jnp.asarray(simulated)
        scale = self.scale(simulated)
        variance = scale**2 * jnp.maximum(jnp.diag(covariance), 0.0)
        sd = jnp.sqrt(variance + self.noise_variance(simulated))
        return simulated + scale * mean, sd


def without_data(range: Range, sizes: Sizes, *, kind: Kind) -> Discrepancy:
    """The discrepancy before any cohort: mean 0, sd of the prior."""
    none = np.zeros(0)
    return Discrepancy(kind, range, sizes, np.zeros((0, len(range.names))), none,
                       np.zeros((0, 0)))  # fmt: skip


def fit_discrepancy(
    names: tuple[str, ...],
    units: tuple[str, ...],
    cohort: Comparison,
    patient: np.ndarray,
    *,
    kind: Kind = "ratio",
    max_support: int = MAX_SUPPORT,
) -> Discrepancy:
    """Learn a discrepancy, its sizes among it, from the comparisons of a cohort.

    ``patient`` names the patient of every row. Sizes maximise the marginal
    likelihood times weak priors: half normal for sds, in units of the data's spread;
    for lengths log-normal about the width of the range, sd of the log 0.7. Raises
    ``ValueError`` for values that are not finite, inputs that are constant and a
    cohort of one, ``ImportError`` without tinygp.
    """
    _kernels()
    _checked(cohort, np.asarray(patient), kind)
    if np.unique(patient).size < 2:
        raise ValueError(
            "A discrepancy is learnt from 2 patients or more; got 1, who cannot tell "
            "what patients share from what is their own."
        )
    range = Range.of(names, units, np.asarray(cohort.inputs))
    rows = _rows(range, cohort, patient, kind)
    unit = _unit(np.asarray(rows.left), np.asarray(rows.scale))
    left = np.asarray(cohort.measured) - np.asarray(cohort.simulated)
    sizes = _most_likely(rows, unit, float(np.std(left)))
    return _told(range, sizes, rows, np.asarray(cohort.inputs), kind, max_support)


def told_by(
    range: Range,
    sizes: Sizes,
    cohort: Comparison,
    patient: np.ndarray,
    *,
    kind: Kind = "ratio",
    max_support: int = MAX_SUPPORT,
) -> Discrepancy:
    """What a cohort tells of the population part where range and sizes are known.

    Raises as :func:`fit_discrepancy` does, but one patient is enough.
    """
    _kernels()
    _checked(cohort, np.asarray(patient), kind)
    rows = _rows(range, cohort, patient, kind)
    return _told(range, sizes, rows, np.asarray(cohort.inputs), kind, max_support)


def _told(
    range: Range, sizes: Sizes, rows: "_Rows", inputs: np.ndarray, kind: Kind, most: int
) -> Discrepancy:
    support = _spread_out(np.unique(inputs, axis=0), range, most)
    mean, covariance = _at_support(sizes, rows, range.normalised(jnp.asarray(support)))
    return Discrepancy(kind, range, sizes, support, mean, covariance)


def _checked(cohort: Comparison, patient: np.ndarray, kind: str) -> None:
    """Refuses what cannot be learnt from."""
    inputs, measured, simulated = map(np.asarray, cohort)
    if kind not in ("difference", "ratio"):
        raise ValueError(f"kind is 'difference' or 'ratio'; got {kind!r}.")
    if not len(inputs) == measured.size == simulated.size == patient.size:
        raise ValueError(
            "Inputs, measured, simulated and patient have one entry a row; got "
            f"{len(inputs)}, {measured.size}, {simulated.size} and {patient.size}."
        )
    every = ("inputs", inputs), ("measured", measured), ("simulated", simulated)
    for name, values in every:
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise ValueError(
                f"{name}: {bad} of {values.size} values are not finite. Leave those "
                "rows out."
            )


def _unit(left: np.ndarray, scale: np.ndarray) -> float:
    """Typical size of the discrepancy; 1 where there is none at all."""
    size = math.sqrt(float(np.mean(scale**2)))
    found = math.sqrt(float(np.mean(left**2))) / size if size > 0.0 else 0.0
    return found if found > 0.0 else 1.0


class _Rows(NamedTuple):
    """A cohort's rows; a row of padding has scale 0 and noise 1."""

    x: Array
    left: Array
    scale: Array
    number: Array
    real: Array


def _rows(range: Range, cohort: Comparison, patient: np.ndarray, kind: Kind) -> _Rows:
    measured, simulated = np.asarray(cohort.measured), np.asarray(cohort.simulated)
    x = np.asarray(range.normalised(jnp.asarray(cohort.inputs)))
    scale = simulated if kind == "ratio" else np.ones_like(simulated)
    number = np.unique(patient, return_inverse=True)[1]
    more = -len(x) % _PAD
    columns = (x, measured - simulated, scale, number, np.ones(len(x)))
    grown = [np.concatenate([c, np.zeros((more, *c.shape[1:]))]) for c in columns]
    return _Rows(*map(jnp.asarray, grown))


def _kernels() -> Any:
    try:
        from tinygp import kernels
    except ImportError:
        raise ImportError(_INSTALL) from None
    return kernels


class _Distance:
    """Euclidean, for tinygp; its own asks twice whether two points are one.

    Under jit the two answers may differ by rounding, and the kernel of two equal
    points is then that of two points at distance 1.
    """

    def squared_distance(self, a: Array, b: Array) -> Array:
        return jnp.sum(jnp.square(a - b))

    def distance(self, a: Array, b: Array) -> Array:
        return jnp.sqrt(self.squared_distance(a, b) + _TINY)


def _matern(sd: Array, lengths: Array, a: Array, b: Array) -> Array:
    kernel = _kernels().Matern52(distance=_Distance())
    return sd**2 * kernel(a / lengths[None, :], b / lengths[None, :])


def _shared(sizes: Sizes, a: Array, b: Array) -> Array:
    """Covariance of f between normalised inputs."""
    return _matern(sizes.population_sd, sizes.population_lengths, a, b)


def _own(sizes: Sizes, a: Array, b: Array) -> Array:
    """Covariance of a_p + g_p between normalised inputs of one patient."""
    offset = sizes.offset_sd**2
    return offset + _matern(sizes.patient_sd, sizes.patient_lengths, a, b)


def _outer(x: Array) -> Array:
    return x[:, None] * x[None, :]


def _steady(matrix: Array) -> Array:
    """A covariance matrix whose factor exists in spite of rounding."""
    return matrix + _JITTER * jnp.trace(matrix) * jnp.eye(len(matrix))


def _total(sizes: Sizes, rows: _Rows) -> Array:
    """Covariance of measured minus simulated over a cohort."""
    same = (rows.number[:, None] == rows.number[None, :]).astype(rows.x.dtype)
    delta = _shared(sizes, rows.x, rows.x) + same * _own(sizes, rows.x, rows.x)
    noise = sizes.noise_sd**2 + (sizes.relative_noise_sd * rows.scale) ** 2
    return delta * _outer(rows.scale) + jnp.diag(jnp.where(rows.real > 0, noise, 1.0))


def _unpacked(theta: Array, n_in: int) -> Sizes:
    of = jnp.exp(theta)
    sds, lengths = of[:5], of[5:]
    return Sizes(sds[0], lengths[:n_in], sds[1], sds[2], lengths[n_in:], sds[3], sds[4])


@eqx.filter_jit
@eqx.filter_value_and_grad
def _cost(theta: Array, rows: _Rows, unit: Array, noise_unit: Array) -> Array:
    """Minus the log of marginal likelihood and priors."""
    sizes = _unpacked(theta, rows.x.shape[1])
    factor = jnp.linalg.cholesky(_total(sizes, rows))
    white = jax.scipy.linalg.solve_triangular(factor, rows.left, lower=True)
    likelihood = -0.5 * jnp.sum(white**2) - jnp.sum(jnp.log(jnp.diag(factor)))
    sds = jnp.exp(theta[:5]) / jnp.stack([unit, unit, unit, noise_unit, unit])
    far = (theta[5:] - math.log(2.0)) / 0.7  # the width is 2 of its halves
    return -likelihood + 0.5 * jnp.sum(sds**2) + 0.5 * jnp.sum(far**2)


def _most_likely(rows: _Rows, unit: float, noise_unit: float) -> Sizes:
    """The sizes of least cost, from one fixed start."""
    n_in, noise_unit = rows.x.shape[1], noise_unit or 1.0
    units = np.log([unit, unit, unit, noise_unit, unit])
    start = np.concatenate([units + math.log(0.3), np.full(2 * n_in, math.log(2.0))])
    bounds = [(u + _FLOOR, u + 3.0) for u in units] + [(-3.0, 4.0)] * (2 * n_in)
    scales = jnp.asarray(unit), jnp.asarray(noise_unit)

    def cost(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _cost(jnp.asarray(theta), rows, *scales)
        return float(value), np.asarray(slope, float)

    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
    if not np.isfinite(found.fun):
        raise ValueError(
            "The marginal likelihood of the discrepancy is not finite: look for "
            "values of very different size among the measured and the simulated."
        )
    return _unpacked(jnp.asarray(found.x), n_in)


def _spread_out(points: np.ndarray, range: Range, most: int) -> np.ndarray:
    """At most so many of the points, each the farthest from those before it."""
    if len(points) <= most:
        return points
    x = np.asarray(range.normalised(jnp.asarray(points)))
    chosen = [int(np.argmin(np.sum(x**2, axis=1)))]
    distance = np.full(len(x), np.inf)
    while len(chosen) < most:
        distance = np.minimum(distance, np.sum((x - x[chosen[-1]]) ** 2, axis=1))
        chosen.append(int(np.argmax(distance)))
    return points[np.sort(chosen)]


@eqx.filter_jit
def _at_support(sizes: Sizes, rows: _Rows, nodes: Array) -> tuple[Array, Array]:
    """Mean and covariance of f at the support, given the cohort."""
    across = _shared(sizes, nodes, rows.x) * rows.scale[None, :]
    factor = jax.scipy.linalg.cho_factor(_total(sizes, rows), lower=True)
    gained = jax.scipy.linalg.cho_solve(factor, across.T).T
    # the same jitter as where it is used, so that no data gives the prior back
    prior = _steady(_shared(sizes, nodes, nodes))
    return gained @ rows.left, prior - gained @ across.T
