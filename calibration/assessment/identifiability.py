"""Which parameters the data see, and which are only the prior's.

In z the prior is standard normal, so the eigenvalues of J'J compare the data with
the prior directly: above 1 the data say more about that direction, far below 1 they
say nothing. Profiles and Sobol indices answer the same without linearising.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import stats

from calibration.optimise.batches import linearise_many, predict_many
from calibration.optimise.fit import Fit
from calibration.optimise.levenberg_marquardt import descend
from calibration.problems.problem import Problem
from calibration.sampling.posterior import Posterior

PRIOR_ONLY = 0.9  # posterior / prior sd above which the data do not see a parameter
IDENTIFIED = 0.5  # and below which they do
INTERVAL_95 = 3.84  # rise of chi2 at the ends of a 95 % profile interval


class Spectrum(eqx.Module):
    """Eigenvalues of the Fisher information of z, largest first, and directions.

    ``directions[:, k]`` is the unit vector of eigenvalue k in the order of ``names``.
    """

    eigenvalues: Float[Array, " n_z"]
    directions: Float[Array, "n_z n_z"]
    names: tuple[str, ...] = eqx.field(static=True)

    def sentences(self) -> tuple[str, ...]:
        """One plain sentence for the stiffest and for every unseen direction."""
        values = np.asarray(self.eigenvalues)
        vectors = np.asarray(self.directions)
        best = self._told(vectors[:, 0])
        said = [
            f"Best seen: {best}, {np.sqrt(1 + values[0]):.0f} times narrower than "
            "the prior."
        ]
        for k in np.flatnonzero(values < 1.0 / PRIOR_ONLY**2 - 1.0):
            said.append(f"Not seen by the data: {self._told(vectors[:, k])}.")
        return tuple(said)

    def _told(self, vector: np.ndarray) -> str:
        largest = np.argsort(-np.abs(vector))
        vector = vector * np.sign(vector[largest[0]])
        main = [k for k in largest if abs(vector[k]) > 0.35][:4]
        parts = [f"{self.names[k]} {'up' if vector[k] > 0 else 'down'}" for k in main]
        return " with ".join(parts) if len(parts) > 1 else self.names[main[0]]


def fisher(fit: Fit) -> Spectrum:
    """The spectrum of J'J at the maximum a posteriori."""
    information = np.asarray(fit.jacobian).T @ np.asarray(fit.jacobian)
    values, vectors = np.linalg.eigh(information)
    return Spectrum(
        jnp.asarray(np.maximum(values[::-1], 0.0)),
        jnp.asarray(vectors[:, ::-1]),
        fit.space.names,
    )


def prior_only(shrinkage: dict[str, Array]) -> tuple[str, ...]:
    """The names whose posterior sd is above 0.9 of the prior's."""
    return tuple(name for name, r in shrinkage.items() if float(r) > PRIOR_ONLY)


def sentences(source: Fit | Posterior) -> tuple[str, ...]:
    """A plain sentence for every parameter the data see badly or not at all."""
    return told(source.shrinkage)


def told(shrinkage: dict[str, Array]) -> tuple[str, ...]:
    """The sentences of given ratios of posterior to prior sd."""
    said = []
    for name, ratio in shrinkage.items():
        share = float(ratio)
        if share > PRIOR_ONLY:
            said.append(
                f"{name}: prior-only. The data do not see it (posterior / prior sd "
                f"{share:.2f}); what the report says of it was assumed."
            )
        elif share > IDENTIFIED:
            said.append(
                f"{name}: weakly seen (posterior / prior sd {share:.2f}); half or more "
                "of its uncertainty is the prior's."
            )
    return tuple(said) or ("Every free parameter is seen by the data.",)


class Profile(eqx.Module):
    """chi2 of the best fit with one parameter held, along a grid.

    ``value`` in the parameter's unit; ``rise`` is chi2 above the smallest, the
    priors of the other parameters included, its own left out; ``z`` the best fit at
    each point. ``lower`` and ``upper`` end the 95 % interval (NaN: not within the
    grid).
    """

    name: str = eqx.field(static=True)
    value: Float[Array, " n_grid"]
    rise: Float[Array, " n_grid"]
    z: Float[Array, "n_grid n_z"]
    lower: Array
    upper: Array

    def sentence(self) -> str:
        """What the profile says about the parameter."""
        low, high = float(self.lower), float(self.upper)
        if np.isfinite(low) and np.isfinite(high):
            return (
                f"{self.name} is seen: 95 % profile interval {low:.4g} to {high:.4g}."
            )
        if np.isfinite(low):
            return f"{self.name} is seen from below only: at least {low:.4g}."
        if np.isfinite(high):
            return f"{self.name} is seen from above only: at most {high:.4g}."
        return f"{self.name} is not seen: no value on the grid contradicts the data."


def _crossing(value: np.ndarray, rise: np.ndarray) -> float:
    """Where the rise first passes the 95 % line, walking away from the minimum."""
    above = np.flatnonzero(rise > INTERVAL_95)
    if above.size == 0 or above[0] == 0:
        return np.nan
    k = above[0]
    share = (INTERVAL_95 - rise[k - 1]) / (rise[k] - rise[k - 1])
    return float(value[k - 1] + share * (value[k] - value[k - 1]))


def profile(
    fit: Fit,
    name: str,
    *,
    points: int = 13,
    reach: float = 2.5,
    progress: Callable[[int, float], None] | None = None,
) -> Profile:
    """Hold one parameter along a grid of z within +- ``reach``, refit the others.

    The grid is even in prior sd about the prior median, the fit's own value added.
    Raises ``KeyError`` for a name that is not free.
    """
    k = fit.space.index(name)
    best = np.asarray(fit.z)
    grid = np.unique(np.append(np.linspace(-reach, reach, points), best[k]))
    slope = np.asarray(fit.covariance)[:, k] / float(fit.covariance[k, k])
    z = best + (grid - best[k])[:, None] * slope
    z[:, k] = grid
    held = np.zeros_like(z, bool)
    held[:, k] = True
    start = np.asarray(jax.vmap(fit.guess)(jnp.asarray(z)))
    found = descend(
        lambda rows, z, start: linearise_many(fit.problem, z, start),
        z, start, held=held, progress=progress,
    )  # fmt: skip
    chi2 = 2.0 * found.objective
    rise = chi2 - chi2.min()
    value = np.array(
        [float(fit.space.physical(jnp.asarray(row))[name]) for row in found.z]
    )
    middle = int(rise.argmin())
    lower = _crossing(value[middle::-1], rise[middle::-1])
    upper = _crossing(value[middle:], rise[middle:])
    return Profile(
        name, jnp.asarray(value), jnp.asarray(rise), jnp.asarray(found.z),
        jnp.asarray(lower), jnp.asarray(upper),
    )  # fmt: skip


class Sobol(eqx.Module):
    """Shares of each feature's prior variance due to each parameter.

    ``first[feature][k]``: by parameter k alone; ``total``: with its interactions.
    ``failed`` counts simulations without a sound prediction, whose rows were left out.
    """

    first: dict[str, Array]
    total: dict[str, Array]
    names: tuple[str, ...] = eqx.field(static=True)
    simulations: int = eqx.field(static=True)
    failed: int = eqx.field(static=True)


def sobol(
    problem: Problem, *, n: int = 256, seed: int = 0, width: float = 1.0
) -> Sobol:
    """Sobol indices of every feature over the prior, its sd times ``width``.

    Saltelli's design of n (parameters + 2) simulations on a scrambled Sobol
    sequence; first-order indices after Saltelli 2010, 10.1016/j.cpc.2009.09.018,
    total ones after Jansen 1999, 10.1016/S0010-4655(98)00154-4. ``n`` is a power of
    two.
    """
    if n < 2 or n & (n - 1):
        raise ValueError(f"n={n}; a power of two is wanted, such as 256.")
    size = problem.space.size
    points = stats.qmc.Sobol(2 * size, rng=seed).random(n)
    both = width * stats.norm.ppf(np.clip(points, 1e-9, 1.0 - 1e-9))
    a, b = both[:, :size], both[:, size:]
    mixed = np.repeat(a[None], size, axis=0)
    for k in range(size):
        mixed[k, :, k] = b[:, k]
    z = np.concatenate([a, b, mixed.reshape(-1, size)])
    _, seen = predict_many(
        problem, z, np.tile(np.asarray(problem.start()), (len(z), 1))
    )
    ok = seen.ok.reshape(size + 2, n)
    rows = ok.all(axis=0)
    first, total = {}, {}
    scalars = {k: v for k, v in seen.features.items() if v.ndim == 1}
    for name, values in scalars.items():
        f = values.reshape(size + 2, n)[:, rows]
        f = f - f[:2].mean()
        variance = f[:2].var()
        f_a, f_b, f_mixed = f[0], f[1], f[2:]
        if not variance > 0.0 or not np.isfinite(f).all():
            continue
        first[name] = jnp.asarray((f_b * (f_mixed - f_a)).mean(axis=1) / variance)
        total[name] = jnp.asarray(0.5 * ((f_mixed - f_a) ** 2).mean(axis=1) / variance)
    return Sobol(first, total, problem.space.names, len(z), int((~ok).sum()))
