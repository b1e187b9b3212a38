"""Pareto-smoothed importance weights, and k, the sign that they can be trusted.

Vehtari, Simpson, Gelman, Yao & Gabry 2024, Journal of Machine Learning Research 25:72
(arXiv 1507.02646): the largest weights are replaced by the quantiles of a generalised
Pareto distribution fitted to them. Its shape k tells how many moments the weights
have: below 0.7 estimates converge at a practical rate, above they do not.
"""

import numpy as np
from jaxtyping import Float

TRUSTED = 0.7


def fit_pareto(excess: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Shape k and scale of a generalised Pareto distribution of excesses > 0.

    Zhang & Stephens 2009, 10.1198/tech.2009.08017, the shape drawn towards 0.5 with
    the weight of ten observations (Vehtari 2024, appendix C).
    """
    x = np.sort(excess)
    n = x.size
    m = 30 + int(np.sqrt(n))
    b = 1.0 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))
    b = b / (3.0 * x[int(n / 4 + 0.5) - 1]) + 1.0 / x[-1]
    k = np.log1p(-b[:, None] * x).mean(axis=1)
    fit = n * (np.log(-b / k) - k - 1.0)
    weight = np.exp(fit - fit.max())  # of the largest is 1: nothing overflows
    best = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-best * x).mean())
    return (n * shape + 5.0) / (n + 10.0), -shape / best


def smooth(log_weights: Float[np.ndarray, " n"]) -> tuple[np.ndarray, float]:
    """Normalised smoothed log weights, and k.

    Weights of -inf (draws that failed) stay so. k is infinite where fewer than 25
    draws have a weight or the tail cannot be told from a constant.
    """
    log_w = np.asarray(log_weights, float)
    log_w = log_w - log_w.max()
    usable = np.flatnonzero(np.isfinite(log_w))
    n = usable.size
    if n < 25:
        return log_w - np.log(np.exp(log_w).sum()), np.inf
    tail = int(np.ceil(min(0.2 * n, 3.0 * np.sqrt(n))))
    order = usable[np.argsort(log_w[usable])]
    largest, cut = order[-tail:], np.exp(log_w[order[-tail - 1]])
    excess = np.exp(log_w[largest]) - cut
    k = np.inf
    if excess[-1] > 1e-12 and (excess > 0.0).sum() > 4:
        k, scale = fit_pareto(np.maximum(excess, 1e-300))
        p = (np.arange(1, tail + 1) - 0.5) / tail
        if abs(k) > 1e-8:
            quantile = scale * np.expm1(-k * np.log1p(-p)) / k
        else:
            quantile = -scale * np.log1p(-p)
        log_w[largest] = np.minimum(np.log(quantile + cut), 0.0)
    elif excess[-1] <= 1e-12:
        k = 0.0  # all weights of the tail alike: nothing to smooth
    return log_w - np.log(np.exp(log_w).sum()), k


def effective(log_weights: Float[np.ndarray, " n"]) -> float:
    """Effective number of draws, 1 / sum(w^2), of normalised log weights."""
    return float(1.0 / np.exp(2.0 * log_weights).sum())


def resample(
    log_weights: Float[np.ndarray, " n"], n: int, rng: np.random.Generator
) -> np.ndarray:
    """Indices of ``n`` equally weighted draws (systematic resampling)."""
    edges = np.cumsum(np.exp(log_weights))
    points = (rng.random() + np.arange(n)) / n * edges[-1]
    return np.searchsorted(edges, points).clip(0, edges.size - 1)
