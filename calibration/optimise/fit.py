"""Maximum a posteriori: the most probable parameters, and what the fit says in words.

Multi-start Levenberg-Marquardt on the experiment's prediction
(``calibration.optimise.levenberg_marquardt``) in the space of z, where the prior is
standard normal. The covariance of z at the maximum is that of Laplace, (J'J + I)^-1
with J'J the Gauss-Newton Hessian.
"""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from calibration.observations.independence import Observations
from calibration.optimise.batches import linearise_each, linearise_many, together
from calibration.optimise.levenberg_marquardt import Descent, descend
from calibration.parameters.space import Space
from calibration.problems.problem import (
    AbstractExperiment,
    Linearised,
    Prediction,
    Problem,
)
from physio.parameters import require_float64

UNEXPLAINED = 2.0  # residual in sd from which an observation counts as not explained
FAR = 2.5  # prior sd from the median at which a parameter is remarked upon
SAME = 0.1  # difference of chi2 within which two starts found the same minimum


class Fit(eqx.Module):
    """A calibrated model, and how well its observations are explained.

    ``chi2`` (|residuals|^2 + |z|^2, the prior's share included), ``converged`` and
    ``iterations`` have one entry per start, the best first. ``jacobian`` is that of
    the likelihood's residuals in sd with respect to z; ``covariance`` Laplace's, of
    z. ``state`` and ``state_jacobian`` are what the experiment's search ended in (a
    circulation's periodic state, flat) and its derivative, from which nearby answers
    are found in one Newton step.
    """

    problem: Problem
    model: Any
    z: Float[Array, " n_z"]
    predictions: dict[str, Array]
    residuals: dict[str, Array]
    features: dict[str, Array]
    jacobian: Float[Array, "n_r n_z"]
    hessian: Float[Array, "n_z n_z"]
    covariance: Float[Array, "n_z n_z"]
    state: Float[Array, " n_y"]
    state_jacobian: Float[Array, "n_y n_z"]
    chi2: Float[Array, " n_start"]
    converged: Bool[Array, " n_start"]
    iterations: Int[Array, " n_start"]
    z_starts: Float[Array, "n_start n_z"]
    verdict: tuple[str, ...] = eqx.field(static=True)

    @property
    def ok(self) -> bool:
        """Whether the best start converged."""
        return bool(self.converged[0])

    @property
    def space(self) -> Space:
        """What is free."""
        return self.problem.space

    @property
    def physical(self) -> dict[str, Array]:
        """Every free parameter at the maximum, in its own unit."""
        return self.space.physical(self.z)

    @property
    def shrinkage(self) -> dict[str, Array]:
        """Posterior sd over prior sd of every parameter (of z, after Laplace)."""
        return dict(
            zip(self.space.names, jnp.sqrt(jnp.diag(self.covariance)), strict=True)
        )

    def guess(self, z: Float[Array, " n_z"]) -> Float[Array, " n_y"]:
        """The state expected at z, to first order, from which a search begins."""
        return self.state + self.state_jacobian @ (z - self.z)


def _in_sd(problem: Problem, values: tuple[Any, ...]) -> dict[str, Array]:
    """Residuals in sd by label; of an array the root mean square of its."""
    told = {}
    for o, value in zip(problem.observations, values, strict=True):
        r = (np.asarray(value) - np.asarray(o.values)) / np.asarray(o.total_sd)
        told[o.label] = jnp.asarray(np.sqrt(np.mean(r**2)) if np.ndim(r) else r)
    return told


def _unexplained(problem: Problem, in_sd: dict[str, Array], values: Any) -> list[str]:
    said = []
    for o, value in zip(problem.observations, values, strict=True):
        size = float(in_sd[o.label])
        if not abs(size) > UNEXPLAINED:
            continue
        as_what = "explained" if o.role == "likelihood" else "predicted (a check)"
        if np.ndim(o.values):
            rms = float(np.sqrt(np.mean((np.asarray(value) - o.values) ** 2)))
            said.append(
                f"{o.label} is not {as_what}: {rms:.3g} {o.unit} rms, "
                f"{abs(size):.1f} sd."
            )
        else:
            said.append(
                f"{o.label} is not {as_what}: measured {float(o.values):.4g}, model "
                f"{float(value):.4g} {o.unit}, {size:+.1f} sd."
            )
    return said


def _remarkable(space: Space, z: np.ndarray) -> list[str]:
    """Parameters at a bound, or far out in their prior."""
    said, values = [], space.physical(jnp.asarray(z))
    for k, free in enumerate(space.free):
        least, most = (float(b) for b in free.range())
        value = float(values[free.name])
        near = 0.01 * (most - least)
        if np.isfinite(near) and min(value - least, most - value) < near:
            bound = least if value - least < most - value else most
            said.append(
                f"{free.name} = {value:.4g} sits at its bound {bound:.4g}: the data "
                "ask for more than the Space allows."
            )
        elif abs(z[k]) > FAR:
            said.append(
                f"{free.name} = {value:.4g} is {abs(z[k]):.1f} prior sd from its "
                "median: check the prior, or what was measured."
            )
    return said


def _nowhere(prediction: Prediction, experiment: AbstractExperiment) -> str:
    """Why no start has an objective, as far as the best one's prediction tells."""
    more, finer = experiment.remedies
    values = (*prediction.values, *prediction.features.values())
    if all(np.isfinite(np.asarray(v)).all() for v in values):
        return (
            f"No start was brought to a {experiment.answer}: the search for it ended "
            f"too early. That says nothing of the prior. {more}".rstrip()
        )
    return (
        f"No start reached a {experiment.answer}: what was computed is not finite. "
        f"Either the steps are too long, or the prior allows no such model. {finer}"
    ).rstrip()


def _agreement(
    chi2: np.ndarray, converged: np.ndarray, z: np.ndarray, iterations: int
) -> list[str]:
    said = []
    if not converged[0]:
        said.append(
            f"The best start has not converged after {iterations} iterations: what is "
            "not explained may be so with more. Type: "
            f"fit(..., max_iterations={max(40, 2 * iterations)})"
        )
    lost = int((~converged).sum())
    if lost and converged[0]:
        said.append(f"{lost} of {len(chi2)} starts did not converge.")
    other = converged & (chi2 > chi2[0] + SAME)
    if other.any():
        said.append(
            f"{int(other.sum())} of {len(chi2)} starts ended in another minimum "
            f"(chi2 {chi2[other].min():.2f} against {chi2[0]:.2f})."
        )
    apart = converged & ~other & (np.abs(z - z[0]).max(-1) > 0.3)
    if apart.any():
        said.append(
            "Starts agree in chi2 but not in the parameters: see identifiability."
        )
    return said


def _assemble(problem: Problem, descent: Descent) -> Fit:
    order = np.argsort(
        np.where(np.isfinite(descent.objective), descent.objective, 1e300)
    )
    z, chi2 = descent.z[order], 2.0 * descent.objective[order]
    converged = descent.converged[order]
    best: Linearised = jax.tree.map(lambda x: x[order[0]], descent.at)
    values = best.prediction.values
    in_sd = _in_sd(problem, values)
    hessian = best.jacobian.T @ best.jacobian + np.eye(z.shape[1])
    if not np.isfinite(chi2[0]):
        verdict = [_nowhere(best.prediction, problem.experiment)]
        hessian = np.eye(z.shape[1])
    else:
        made = int(descent.iterations[order[0]])
        verdict = _agreement(chi2, converged, z, made)
        verdict += _unexplained(problem, in_sd, values)
        # where a descent was cut short, the prior is not to be doubted
        verdict += _remarkable(problem.space, z[0]) if converged[0] else []
    labels = [o.label for o in problem.observations]
    return Fit(
        problem=problem,
        model=problem.model_at(jnp.asarray(z[0]))[0],
        z=jnp.asarray(z[0]),
        predictions={k: jnp.asarray(v) for k, v in zip(labels, values, strict=True)},
        residuals=in_sd,
        features={k: jnp.asarray(v) for k, v in best.prediction.features.items()},
        jacobian=jnp.asarray(best.jacobian),
        hessian=jnp.asarray(hessian),
        covariance=jnp.asarray(np.linalg.inv(hessian)),
        state=jnp.asarray(best.prediction.state),
        state_jacobian=jnp.asarray(best.state_jacobian),
        chi2=jnp.asarray(chi2),
        converged=jnp.asarray(converged),
        iterations=jnp.asarray(descent.iterations[order]),
        z_starts=jnp.asarray(z),
        verdict=tuple(verdict) or ("Every observation is explained within 2 sd.",),
    )


def _starts(space: Space, starts: int, key: PRNGKeyArray) -> np.ndarray:
    """The prior median, then draws from the prior."""
    draws = np.array(space.sample(key, starts))
    draws[0] = 0.0
    return draws


def _door(problem: Problem, starts: int) -> None:
    require_float64((problem.model, problem.space), "A calibration")
    if starts < 1:
        raise ValueError(f"starts={starts}; at least one start is needed.")
    problem.check()


def fit(
    model: Any,
    space: Space,
    observations: Observations,
    experiment: AbstractExperiment,
    *,
    starts: int = 8,
    key: PRNGKeyArray | None = None,
    max_iterations: int = 40,
    progress: Callable[[int, float], None] | None = None,
) -> Fit:
    """Calibrate a model to one patient's observations.

    The first start is the prior median, the others are drawn from the prior with
    ``key``. ``progress(iteration, best objective)`` is called after each iteration.
    Raises ``KeyError`` for a misspelt name, ``ValueError`` for observations that
    count twice, are not among the features, or for a model in float32.
    """
    problem = Problem(model, space, tuple(observations), experiment)
    _door(problem, starts)
    z = _starts(space, starts, jax.random.key(0) if key is None else key)
    start = np.tile(np.asarray(problem.start()), (starts, 1))
    descent = descend(
        lambda rows, z, start: linearise_many(problem, z, start),
        z, start, max_iterations=max_iterations, progress=progress,
    )  # fmt: skip
    return _assemble(problem, descent)


def fit_many(
    models: Sequence[Any],
    spaces: Sequence[Space],
    observations: Sequence[Observations],
    experiments: Sequence[AbstractExperiment],
    *,
    starts: int = 1,
    key: PRNGKeyArray | None = None,
    max_iterations: int = 40,
    progress: Callable[[int, float], None] | None = None,
) -> list[Fit]:
    """Calibrate many patients of the same kinds of observation in one batch.

    One entry per patient in each sequence. Every patient gets ``starts`` starts.
    Raises as :func:`fit`, and where the patients are not of one kind.
    """
    problems = [
        Problem(model, space, tuple(seen), experiment)
        for model, space, seen, experiment in zip(
            models, spaces, observations, experiments, strict=True
        )
    ]
    _door(problems[0], starts)
    batch = together(problems)
    arrays, static = eqx.partition(batch, eqx.is_array)
    one = _starts(spaces[0], starts, jax.random.key(0) if key is None else key)
    z = np.tile(one, (len(problems), 1))
    start = np.repeat([np.asarray(p.start()) for p in problems], starts, axis=0)

    def evaluate(rows: np.ndarray, z: np.ndarray, start: np.ndarray) -> Linearised:
        chosen = jax.tree.map(lambda x: x[rows // starts], arrays)
        return linearise_each(eqx.combine(chosen, static), z, start)

    found = descend(
        evaluate, z, start, max_iterations=max_iterations, progress=progress
    )
    fits = []
    for k, problem in enumerate(problems):
        mine = slice(k * starts, (k + 1) * starts)
        at = jax.tree.map(lambda x, mine=mine: x[mine], found.at)
        fits.append(_assemble(problem, Descent(
            found.z[mine], at, found.objective[mine], found.converged[mine],
            found.iterations[mine],
        )))  # fmt: skip
    return fits
