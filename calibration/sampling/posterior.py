"""What the patient's heart may be: draws from the posterior, and how far to trust them.

One log posterior, five ways to it: Laplace's normal at the maximum; importance
sampling from a t distribution there, with Pareto smoothing; tempered particles where
the smoothing's k says that this fails; chains that a surrogate leads and the model
decides (delayed acceptance); NUTS as the slow reference.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from calibration.observations.independence import Observations
from calibration.optimise.batches import features_many
from calibration.optimise.fit import Fit, fit
from calibration.parameters.space import Space
from calibration.problems.problem import AbstractExperiment, Problem
from calibration.sampling.delayed_acceptance import LogDensity, delayed
from calibration.sampling.diagnostics import judged
from calibration.sampling.importance import (
    Draws,
    Target,
    generator,
    importance,
    laplace,
    spread,
    tempered,
)
from calibration.sampling.interval import Interval, interval
from calibration.sampling.pareto import TRUSTED, resample

METHODS = ("importance", "smc", "delayed", "nuts", "laplace")


class Posterior(eqx.Module):
    """Equally weighted draws of z with everything the model predicts at each.

    ``predictions`` (by label of observation) and ``features`` (every index, measured
    or not) have the draws on their first axis, as ``state``, where the experiment's
    search ended (a circulation's periodic state, flat).
    ``weighted_z`` and ``weights`` are the sampler's own draws before resampling.
    ``diagnostics``: ``ess`` and ``ess_wanted``, ``failed``, and ``pareto_k``, or
    ``r_hat`` with ``divergences`` (NUTS) or ``accepted`` and ``surrogate_pareto_k``
    (delayed acceptance); ``verdict`` says in words whether to trust them.
    """

    fit: Fit
    z: Float[Array, "n_draw n_z"]
    predictions: dict[str, Array]
    features: dict[str, Array]
    state: Float[Array, "n_draw n_y"]
    weighted_z: Float[Array, "n_weighted n_z"]
    weights: Float[Array, " n_weighted"]
    diagnostics: dict[str, Array]
    shrinkage: dict[str, Array]
    method: str = eqx.field(static=True)
    verdict: tuple[str, ...] = eqx.field(static=True)

    @property
    def space(self) -> Space:
        """What is free."""
        return self.fit.problem.space

    @property
    def draws(self) -> dict[str, Array]:
        """Every free parameter's draws, in its own unit."""
        return jax.vmap(self.space.physical)(self.z)

    @property
    def ok(self) -> bool:
        """Whether the sampler's own diagnostics allow trust."""
        return not self.verdict

    def models(self, n: int | None = None) -> Any:
        """Models of the first ``n`` draws, stacked on a first axis of every leaf."""
        problem = self.fit.problem
        return eqx.filter_vmap(lambda z: problem.model_at(z)[0])(self.z[:n])

    def intervals(self, level: float = 0.9) -> dict[str, Interval]:
        """Credible intervals of the parameters and of every feature."""
        named = {**self.draws, **self.features}
        return {name: interval(draws, level) for name, draws in named.items()}

    def predictive(
        self, level: float = 0.9, *, key: PRNGKeyArray | None = None
    ) -> dict[str, Interval]:
        """Where a repeated measurement of each observation would lie.

        The draws' predictions with the error of the measurement and of the model.
        """
        rng = generator(jax.random.key(0) if key is None else key)
        told = {}
        for o in self.fit.problem.observations:
            draws = np.asarray(self.predictions[o.label])
            noise = rng.standard_normal(draws.shape) * float(o.total_sd)
            told[o.label] = interval(draws + noise, level)
        return told

    def after(
        self,
        intervention: Callable[[Any], Any],
        *,
        experiment: AbstractExperiment | None = None,
        n: int | None = None,
    ) -> tuple[dict[str, Array], Array]:
        """Every feature of the first ``n`` draws after an intervention, and ``ok``.

        ``intervention`` maps a model to a model; ``experiment`` replaces the fit's
        where the conditions change too.
        """

        def made(z: Array) -> tuple[Any, AbstractExperiment]:
            model, own, _ = self.fit.problem.model_at(z)
            return intervention(model), experiment or own

        models, experiments = eqx.filter_jit(eqx.filter_vmap(made))(self.z[:n])
        features, _, ok = features_many(models, experiments, self.state[:n])
        return {k: jnp.asarray(v) for k, v in features.items()}, jnp.asarray(ok)


def _trust(
    told: dict[str, float], answer: str = AbstractExperiment.answer
) -> tuple[str, ...]:
    return tuple(d.said for d in judged(told, answer) if d.good is False)


def _posterior(
    found: Fit, draws: Draws, n: int, ess: float, rng: np.random.Generator
) -> Posterior:
    rows = resample(draws.log_weights, n, rng)
    kept = jax.tree.map(lambda x: jnp.asarray(x[rows]), draws.predictions)
    labels = [o.label for o in found.problem.observations]
    sd = spread(draws.z, draws.log_weights)
    told = draws.diagnostics | {"ess_wanted": ess}
    return Posterior(
        fit=found,
        z=jnp.asarray(draws.z[rows]),
        predictions=dict(zip(labels, kept.values, strict=True)),
        features=kept.features,
        state=kept.state,
        weighted_z=jnp.asarray(draws.z),
        weights=jnp.asarray(np.exp(draws.log_weights)),
        diagnostics={k: jnp.asarray(v) for k, v in told.items()},
        shrinkage={
            k: jnp.asarray(v) for k, v in zip(found.space.names, sd, strict=True)
        },
        method=draws.method,
        verdict=_trust(told, found.problem.experiment.answer),
    )


def _normal(found: Fit, rng: np.random.Generator, n: int) -> Draws:
    """Laplace's own normal, each draw with its prediction; failed ones left out."""
    where = laplace(found)
    z = where.mean + rng.standard_normal((n, where.mean.size)) @ where.root.T
    target = Target(found)
    log_p, seen = target(z)
    good = np.isfinite(log_p)
    log_w = np.where(good, -np.log(max(good.sum(), 1)), -np.inf)
    told = {
        "ess": float(good.sum()), "draws": float(n), "failed": float(target.failed),
        "evaluations": float(n),
    }  # fmt: skip
    return Draws(z, log_w, seen, "laplace", told)


def sample_fit(
    found: Fit,
    *,
    key: PRNGKeyArray,
    method: str = "importance",
    draws: int = 1000,
    ess: float = 1000.0,
    most: int = 8192,
    surrogate: LogDensity | None = None,
    progress: Callable[[int, float], None] | None = None,
    **options: Any,
) -> Posterior:
    """Sample the posterior of a fit already made.

    ``importance`` draws until ``ess`` effective draws or ``most`` draws; where k
    stays above 0.7 tempered particles take over, and ``method`` says so.
    ``delayed`` wants a ``surrogate``: its log density, up to a constant, at many z
    (n, n_z), traceable by jax. It runs until ``ess`` and R-hat are as wanted, or
    ``most`` runs of the model; a wrong surrogate costs runs, not correctness.
    ``options`` go to the sampler (``particles``, ``moves``; ``chains`` and ``moves``
    of ``delayed``; ``chains``, ``warmup``, ``draws`` of NUTS as ``chain_draws``).
    Raises ``ValueError`` for a fit without a sound start, an unknown method, a
    surrogate that is missing, not asked for, or gives no density.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}; it is one of {', '.join(METHODS)}.")
    if (method == "delayed") != (surrogate is not None):
        given = "no" if surrogate is None else "a"
        raise ValueError(
            f"method={method!r} and {given} surrogate: delayed acceptance wants a "
            "surrogate's log density, and nothing else takes one. Type: "
            'sample(..., method="delayed", surrogate=log_density)'
        )
    if not np.isfinite(np.asarray(found.chi2[0])):
        raise ValueError(
            f"This fit found no model to sample around: {found.verdict[0]}"
        )
    rng = generator(key)
    if method == "nuts":
        from calibration.sampling.nuts import nuts

        if "chain_draws" in options:
            options["draws"] = options.pop("chain_draws")
        made = nuts(found, key, **options)
    elif method == "laplace":
        made = _normal(found, rng, max(draws, int(ess)))
    elif surrogate is not None:
        made = delayed(
            found, key, surrogate, ess=ess, most=most, progress=progress, **options
        )
    elif method == "smc":
        made = tempered(found, rng, progress=progress, **options)
    else:
        made = importance(found, rng, ess=ess, most=most, progress=progress)
        if made.diagnostics["pareto_k"] > TRUSTED:
            k = made.diagnostics["pareto_k"]
            made = tempered(found, rng, progress=progress, **options)
            made.diagnostics["importance_pareto_k"] = k
    return _posterior(found, made, draws, min(ess, float(draws)), rng)


def sample(
    model: Any,
    space: Space,
    observations: Observations,
    experiment: AbstractExperiment,
    *,
    key: PRNGKeyArray,
    method: str = "importance",
    starts: int = 8,
    **options: Any,
) -> Posterior:
    """Fit, then sample: :func:`calibration.optimise.fit` and :func:`sample_fit`."""
    found = fit(model, space, observations, experiment, starts=starts, key=key)
    return sample_fit(found, key=key, method=method, **options)


def prior_predictive(
    problem: Problem, key: PRNGKeyArray, n: int = 512
) -> tuple[dict[str, Array], Array]:
    """Every feature at draws from the prior, and whether each is sound."""
    from calibration.optimise.batches import predict_many

    z = np.asarray(problem.space.sample(key, n))
    start = np.tile(np.asarray(problem.start()), (n, 1))
    _, seen = predict_many(problem, z, start)
    return {k: jnp.asarray(v) for k, v in seen.features.items()}, jnp.asarray(seen.ok)
