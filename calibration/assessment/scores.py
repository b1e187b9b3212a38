"""Scores of predictions with uncertainty, and whether a sampler is calibrated.

Numpy in, numpy out. Errors are predicted minus observed; a case that has no value
is left out by the caller, never here: NaN raises.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

Cases = Float[np.ndarray, " n_case"]


class Difference(NamedTuple):
    """A difference of two scores with the ends of its interval."""

    value: float
    lower: float
    upper: float


def _paired(*columns: object) -> list[np.ndarray]:
    arrays = [np.asarray(c, float) for c in columns]
    for array in arrays:
        if array.shape[0] != arrays[0].shape[0] or array.shape[0] == 0:
            raise ValueError(
                f"Scores want as many of each; got {[a.shape for a in arrays]}."
            )
        if not np.isfinite(array).all():
            raise ValueError("A value is NaN or infinite; leave that case out first.")
    return arrays


def rmse(predicted: Cases, observed: Cases) -> float:
    """Root mean square error."""
    p, o = _paired(predicted, observed)
    return float(np.sqrt(np.mean((p - o) ** 2)))


def crps_gaussian(mean: Cases, sd: Cases, observed: Cases) -> Cases:
    """Continuous ranked probability score of normal predictions, one per case.

    Gneiting 2005, 10.1175/MWR2904.1, equation 5: sd (w (2 Phi(w) - 1) + 2 phi(w)
    - 1/sqrt(pi)) at w = (observed - mean) / sd. In the unit of the quantity.
    """
    m, s, o = _paired(mean, sd, observed)
    if not (s > 0.0).all():
        raise ValueError("A normal prediction needs sd > 0.")
    w = (o - m) / s
    inner = w * (2.0 * stats.norm.cdf(w) - 1.0) + 2.0 * stats.norm.pdf(w)
    return s * (inner - 1.0 / np.sqrt(np.pi))


def crps_sample(draws: Float[np.ndarray, "n_case n_draw"], observed: Cases) -> Cases:
    """The same score of predictions given as draws: E|X - y| - E|X - X'| / 2.

    The unbiased second term (pairs of different draws), Zamo & Naveau 2018,
    10.1007/s11004-017-9709-7.
    """
    d, o = _paired(draws, observed)
    n = d.shape[1]
    if n < 2:
        raise ValueError("At least two draws per case are wanted.")
    ordered = np.sort(d, axis=1)
    rank = 2.0 * np.arange(1, n + 1) - n - 1.0
    between = (ordered * rank).sum(axis=1) / (n * (n - 1.0))
    return np.abs(d - o[:, None]).mean(axis=1) - between


def inside(
    draws: Float[np.ndarray, "n_case n_draw"], observed: Cases, level: float
) -> Bool[np.ndarray, " n_case"]:
    """Whether each observed value lies in its central interval."""
    d, o = _paired(draws, observed)
    if not 0.0 < level < 1.0:
        raise ValueError(f"A level lies in (0, 1); got {level}.")
    tail = 0.5 * (1.0 - level)
    lower, upper = np.quantile(d, [tail, 1.0 - tail], axis=1)
    return (o >= lower) & (o <= upper)


def coverage(
    draws: Float[np.ndarray, "n_case n_draw"], observed: Cases, level: float
) -> float:
    """The share of observed values inside their central intervals."""
    return float(inside(draws, observed, level).mean())


def coverage_band(n_case: int, level: float, probability: float) -> tuple[float, float]:
    """The shares between which an exact sampler's coverage lies with a probability."""
    tail = 0.5 * (1.0 - probability)
    counts = stats.binom.ppf([tail, 1.0 - tail], n_case, level)
    return float(counts[0] / n_case), float(counts[1] / n_case)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def root_mean_square(errors: np.ndarray) -> float:
    """Root mean square of errors, for :func:`paired_difference`."""
    return float(np.sqrt(np.mean(np.square(errors))))


def paired_difference(
    first: Cases,
    second: Cases,
    *,
    statistic: Callable[[np.ndarray], float] = _mean,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """statistic(first) - statistic(second) with a paired bootstrap interval.

    Cases are resampled together (percentile interval). For a difference of RMSE pass
    errors and ``statistic=root_mean_square``; of CRPS the scores of the cases.
    """
    a, b = _paired(first, second)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(a), (resamples, len(a)))
    drawn = np.array([statistic(a[r]) - statistic(b[r]) for r in rows])
    lower, upper = np.quantile(drawn, [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return Difference(statistic(a) - statistic(b), float(lower), float(upper))


def ranks(
    draws: Float[np.ndarray, "n_case n_draw"], truth: Cases
) -> Int[np.ndarray, " n_case"]:
    """How many draws lie below the truth; uniform on 0 ... n_draw when calibrated.

    Talts 2018, arXiv 1804.06788. The draws must be independent: thin a chain first.
    """
    d, o = _paired(draws, truth)
    return (d < o[:, None]).sum(axis=1)


class RankTest(NamedTuple):
    """The ECDF of ranks of every parameter, its band, and whether all lie inside."""

    levels: np.ndarray
    ecdf: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    ok: bool


def rank_test(
    all_ranks: Int[np.ndarray, "n_parameter n_case"],
    n_draw: int,
    *,
    levels: int = 20,
    probability: float = 0.99,
) -> RankTest:
    """Simulation-based calibration by the ECDF of normalised ranks.

    Binomial bands at ``levels`` points, Bonferroni-corrected over parameters and
    levels, so that an exact sampler stays inside with at least ``probability``.
    """
    given = np.asarray(all_ranks)
    if given.ndim != 2 or given.max(initial=0) > n_draw:
        raise ValueError(
            f"Ranks are (parameters, cases) between 0 and {n_draw}; got shape "
            f"{given.shape}, largest {given.max(initial=0)}."
        )
    n_parameter, n_case = given.shape
    at = np.arange(1, levels) / levels
    # P(rank <= r) = (r + 1) / (n_draw + 1) for a calibrated sampler
    cut = np.floor(at * (n_draw + 1)).astype(int) - 1
    exact = (cut + 1) / (n_draw + 1)
    ecdf = (given[:, :, None] <= cut).mean(axis=1)
    tail = 0.5 * (1.0 - probability) / (n_parameter * at.size)
    lower = stats.binom.ppf(tail, n_case, exact) / n_case
    upper = stats.binom.ppf(1.0 - tail, n_case, exact) / n_case
    ok = bool(((ecdf >= lower) & (ecdf <= upper)).all())
    return RankTest(exact, ecdf, lower, upper, ok)
