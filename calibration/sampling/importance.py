"""Draws of z from the posterior: importance sampling and tempered particles.

Both work on log p(z) = log likelihood + log prior of one problem, evaluated in
lanes (``calibration.optimise.batches``), and start from Laplace's approximation at the
maximum. A draw without a sound prediction has log p = -inf and is counted.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import numpy as np
from jaxtyping import Float

from calibration.optimise.batches import VALUE_LANES, predict_many
from calibration.optimise.fit import Fit
from calibration.problems.problem import Prediction
from calibration.sampling.pareto import TRUSTED, effective, resample, smooth

_DEGREES = 7.0  # of freedom of the proposal: tails heavier than a posterior's
_ROUND = 1024
_CANDIDATES = 100_000  # of the quadratic posterior, from which its draws are taken
_MOVES = 60


@dataclass
class Draws:
    """Weighted draws with their predictions, and how they came about."""

    z: np.ndarray
    log_weights: np.ndarray
    predictions: Prediction
    method: str
    diagnostics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Student:
    """A multivariate t distribution with location and covariance's Cholesky root."""

    mean: np.ndarray
    root: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``n`` draws."""
        normal = rng.standard_normal((n, self.mean.size))
        stretch = np.sqrt(_DEGREES / rng.chisquare(_DEGREES, n))
        return self.mean + stretch[:, None] * normal @ self.root.T

    def standard(self, z: np.ndarray) -> np.ndarray:
        """Coordinates in which location is 0 and scale 1."""
        return np.linalg.solve(self.root, (z - self.mean).T).T

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log density up to a constant that all Student distributions here share."""
        n = self.mean.size
        size = (self.standard(z) ** 2).sum(1)
        spread = np.log(np.abs(np.diag(self.root))).sum()
        return -0.5 * (_DEGREES + n) * np.log1p(size / _DEGREES) - spread


class Target:
    """The log posterior of a fit's problem, and how many draws failed so far."""

    def __init__(self, fit: Fit):
        self.fit = fit
        self.failed = 0
        self.evaluated = 0

    def __call__(self, z: np.ndarray) -> tuple[np.ndarray, Prediction]:
        """Log posterior density (up to a constant) and prediction at every row."""
        start = (
            np.asarray(self.fit.state)
            + (z - np.asarray(self.fit.z)) @ np.asarray(self.fit.state_jacobian).T
        )
        likelihood, predictions = predict_many(self.fit.problem, z, start)
        value = likelihood - 0.5 * (z**2).sum(-1)
        self.failed += int((~np.isfinite(value)).sum())
        self.evaluated += len(z)
        return value, predictions

    def told(self, tried: list[Draws]) -> tuple[np.ndarray, np.ndarray]:
        """Every sound draw so far, and its residuals."""
        z = np.concatenate([d.z for d in tried])
        seen = jax.tree.map(
            lambda *x: np.concatenate(x), *[d.predictions for d in tried]
        )
        residuals = np.asarray(jax.vmap(self.fit.problem.residuals)(seen))
        good = np.asarray(seen.ok) & np.isfinite(residuals).all(1)
        return z[good], residuals[good]


def laplace(fit: Fit) -> Student:
    """The proposal at the maximum a posteriori."""
    root = np.linalg.cholesky(np.asarray(fit.covariance))
    return Student(np.asarray(fit.z), root)


def _refitted(z: np.ndarray, log_w: np.ndarray) -> Student:
    """A proposal with the weighted mean and covariance of draws."""
    w = np.exp(log_w)
    mean = w @ z
    centred = z - mean
    covariance = (w[:, None] * centred).T @ centred + 1e-6 * np.eye(z.shape[1])
    return Student(mean, np.linalg.cholesky(covariance))


@dataclass(frozen=True)
class Quadratic:
    """A posterior whose residuals are quadratic in z: cheap, and nearly the model's.

    Fitted to residuals at draws, those far out counting less; ``log_density`` is up
    to a constant. Unlike a normal it bends as the residuals bend.
    """

    where: Student
    coefficients: np.ndarray

    @staticmethod
    def terms(standard: np.ndarray) -> np.ndarray:
        """1, every coordinate, every product of two."""
        rows, columns = np.triu_indices(standard.shape[1])
        one = np.ones((len(standard), 1))
        return np.hstack([one, standard, standard[:, rows] * standard[:, columns]])

    @classmethod
    def fitted(
        cls, where: Student, z: np.ndarray, residuals: np.ndarray
    ) -> "Quadratic":
        """Least squares over the draws ``z`` with their ``residuals``."""
        standard = where.standard(z)
        near = 1.0 / (1.0 + (standard**2).mean(1)[:, None])
        terms = cls.terms(standard)
        found = np.linalg.lstsq(near * terms, near * residuals, rcond=None)[0]
        return cls(where, found)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Log of likelihood times prior, as far as the quadratic tells it."""
        residuals = self.terms(self.where.standard(z)) @ self.coefficients
        return -0.5 * (residuals**2).sum(1) - 0.5 * (z**2).sum(1)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """About independent draws: many of a t distribution resampled, then moved.

        The moves (Metropolis, 2.38 / sqrt(n_z) of the draws' own covariance) reach
        the tails where the t distribution's draws are few.
        """
        many = [self.where.draw(_CANDIDATES // 10, rng) for _ in range(10)]
        log_w = [self.log_density(z) - self.where.log_density(z) for z in many]
        z = np.concatenate(many)[resample(smooth(np.concatenate(log_w))[0], n, rng)]
        root = _refitted(z, np.full(n, -np.log(n))).root * 2.38 / np.sqrt(z.shape[1])
        log_p = self.log_density(z)
        for _ in range(_MOVES):
            trial = z + rng.standard_normal(z.shape) @ root.T
            log_trial = self.log_density(trial)
            accept = np.log(rng.random(n)) < log_trial - log_p
            z = np.where(accept[:, None], trial, z)
            log_p = np.where(accept, log_trial, log_p)
        return z


def importance(
    fit: Fit,
    rng: np.random.Generator,
    *,
    ess: float,
    most: int,
    progress: Callable[[int, float], None] | None = None,
) -> Draws:
    """Importance sampling in two rounds.

    The first round draws from a multivariate t at Laplace's approximation. Where its
    effective number falls short of ``ess``, a :class:`Quadratic` posterior is fitted
    to the residuals there, and further rounds draw from it: with proposals that
    follow the posterior's bends nearly every draw counts. Every round is weighted
    with the model itself; ``most`` bounds the draws.
    """
    target, wide = Target(fit), laplace(fit)

    def weighted(z: np.ndarray, log_q: np.ndarray) -> Draws:
        log_p, seen = target(z)
        log_w, k = smooth(log_p - log_q)
        told = {"pareto_k": k, "ess": effective(log_w), "draws": float(len(z))}
        if progress is not None:
            progress(target.evaluated, told["ess"])
        return Draws(z, log_w, seen, "importance", told)

    def enough(d: Draws) -> bool:
        return d.diagnostics["ess"] >= ess and d.diagnostics["pareto_k"] <= TRUSTED

    z = wide.draw(_ROUND, rng)
    best = weighted(z, wide.log_density(z))
    tried, wanted, rounds = [best], 1.25 * ess, 1
    while not enough(best) and target.evaluated + wanted <= most:
        bent = Quadratic.fitted(wide, *target.told(tried))
        z = bent.draw(VALUE_LANES * math.ceil(wanted / VALUE_LANES), rng)
        tried.append(weighted(z, bent.log_density(z)))
        best = max(tried, key=lambda d: (enough(d), d.diagnostics["ess"]))
        wanted, rounds = 2.0 * wanted, rounds + 1
    best.diagnostics |= {
        "failed": float(target.failed),
        "evaluations": float(target.evaluated),
        "rounds": float(rounds),
    }
    return best


def _next_temperature(log_ratio: np.ndarray, beta: float, share: float) -> float:
    """The largest step towards 1 that keeps ``share`` of the draws effective."""

    def kept(step: float) -> float:
        log_w = step * log_ratio
        log_w = log_w - log_w.max()
        w = np.exp(log_w)
        return float(w.sum() ** 2 / (w**2).sum() / w.size)

    if kept(1.0 - beta) >= share:
        return 1.0
    low, high = 0.0, 1.0 - beta
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if kept(middle) >= share else (low, middle)
    return beta + max(low, 1e-4)


def _taken(prediction: Prediction, rows: np.ndarray) -> Prediction:
    return jax.tree.map(lambda x: x[rows], prediction)


def _chosen(keep: np.ndarray, new: Prediction, old: Prediction) -> Prediction:
    def pick(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(keep.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, new, old)


def tempered(
    fit: Fit,
    rng: np.random.Generator,
    *,
    particles: int = 2 * _ROUND,
    moves: int = 5,
    progress: Callable[[int, float], None] | None = None,
) -> Draws:
    """Tempered sequential Monte Carlo from the widened Laplace-t to the posterior.

    q(z)^(1 - b) p(z)^b with b from 0 to 1 in steps that keep half of the particles
    effective; after each, systematic resampling and random-walk moves with the
    particles' covariance times 2.38^2 / n, scaled towards 25 % acceptance (Del Moral
    2006, 10.1111/j.1467-9868.2006.00553.x). The effective number counts equal
    particles once.
    """
    target = Target(fit)
    first = laplace(fit)
    proposal = Student(first.mean, 1.5 * first.root)
    z = proposal.draw(particles, rng)
    log_p, seen = target(z)
    log_q = proposal.log_density(z)
    dead = ~np.isfinite(log_p)
    if dead.all():
        raise ValueError(
            f"No draw near the fit has a {fit.problem.experiment.answer}; look at its "
            "verdict."
        )
    beta, scale, rates, steps = 0.0, 1.0, [], 0
    while beta < 1.0:
        ratio = np.where(np.isfinite(log_p), log_p - log_q, -np.inf)
        finite = np.where(
            np.isfinite(ratio), ratio, ratio[np.isfinite(ratio)].min() - 700
        )
        after = _next_temperature(finite, beta, 0.5)
        log_w = np.where(np.isfinite(ratio), (after - beta) * finite, -np.inf)
        log_w = log_w - log_w.max()
        log_w = log_w - np.log(np.exp(log_w).sum())
        beta, steps = after, steps + 1
        root = _refitted(z, log_w).root
        rows = resample(log_w, particles, rng)
        z, log_p, log_q, seen = z[rows], log_p[rows], log_q[rows], _taken(seen, rows)
        for _ in range(moves):
            jump = rng.standard_normal(z.shape) @ root.T
            trial = z + scale * 2.38 / np.sqrt(z.shape[1]) * jump
            p_trial, seen_trial = target(trial)
            q_trial = proposal.log_density(trial)
            gain = beta * (p_trial - log_p) + (1.0 - beta) * (q_trial - log_q)
            accept = np.log(rng.random(particles)) < gain
            rate = float(accept.mean())
            rates.append(rate)
            scale *= np.exp(rate - 0.25)
            z = np.where(accept[:, None], trial, z)
            log_p, log_q = (
                np.where(accept, p_trial, log_p),
                np.where(accept, q_trial, log_q),
            )
            seen = _chosen(accept, seen_trial, seen)
        if progress is not None:
            progress(target.evaluated, beta)
    _, copies = np.unique(z, axis=0, return_counts=True)
    told = {
        "ess": float(particles**2 / (copies.astype(float) ** 2).sum()),
        "draws": float(particles),
        "failed": float(target.failed),
        "evaluations": float(target.evaluated),
        "temperatures": float(steps),
        "acceptance": float(np.mean(rates)),
    }
    equal = np.full(particles, -np.log(particles))
    return Draws(z, equal, seen, "smc", told)


def generator(key: jax.Array) -> np.random.Generator:
    """A numpy generator seeded by a jax key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())


def spread(z: Float[np.ndarray, "n n_z"], log_w: np.ndarray) -> np.ndarray:
    """The weighted sd of every column."""
    w = np.exp(log_w)
    return np.sqrt(w @ (z - w @ z) ** 2)
