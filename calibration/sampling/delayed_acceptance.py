"""Delayed acceptance: a surrogate proposes, the model decides.

Every chain moves many times on the surrogate's density s alone (random-walk
Metropolis, which leaves s unchanged in detailed balance, however many moves). Where it
ends is a proposal that the model's density p accepts with

    min(1, p(z') s(z) / (p(z) s(z'))),

so that the chains' distribution is p exactly, whatever s is; s decides only how many
proposals are refused. Christen & Fox 2005, 10.1198/106186005X76983; Liu 2001, Monte
Carlo Strategies in Scientific Computing, section 9.4.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from scipy.special import ndtri

from calibration.optimise.batches import VALUE_LANES
from calibration.optimise.fit import Fit
from calibration.sampling.importance import Draws, Target, generator, laplace
from calibration.sampling.pareto import smooth

AGREED = 1.01  # R-hat up to which chains agree (Vehtari 2021)
_BLOCK = 10  # steps between two looks at the chains
_FEWEST = 40  # steps of a chain, so that its halves can be told apart
_DROPPED = 0.2  # share of the steps, the first ones, that is left out

#: Log density of a surrogate, up to a constant, at many z; what jax can trace.
LogDensity = Callable[[Float[Array, "n n_z"]], Float[Array, " n"]]
#: Log density of the model at z (n, n_z), -inf where it has none, and its predictions.
Exact = Callable[[np.ndarray], tuple[np.ndarray, PyTree]]


@dataclass(frozen=True)
class Step:
    """Where all chains stand: position, both log densities, predictions."""

    z: np.ndarray
    log_p: np.ndarray
    log_s: np.ndarray
    seen: PyTree


def _halves(chains: np.ndarray) -> np.ndarray:
    """Every chain (n_chain, n_step, n_z) cut into two."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def _spreads(chains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean variance within chains, and the pooled variance with that between them."""
    n = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean(axis=0)
    pooled = within * (n - 1) / n + chains.mean(axis=1).var(axis=0, ddof=1)
    return within, pooled


def _ranked(chains: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all draws, column by column; ties share one."""
    columns = []
    for x in np.moveaxis(chains, -1, 0):
        _, place, count = np.unique(x, return_inverse=True, return_counts=True)
        rank = (np.cumsum(count) - 0.5 * (count - 1))[place]
        columns.append(ndtri((rank - 0.375) / (x.size + 0.25)).reshape(x.shape))
    return np.stack(columns, axis=-1)


def split_r_hat(chains: Float[np.ndarray, "n_chain n_step n_z"]) -> np.ndarray:
    """Rank-normalised split R-hat of every column; near 1 where the chains agree.

    The larger of that of the draws and that of their distance from the median
    (Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021, 10.1214/20-BA1221). Infinite
    where no chain moves.
    """
    halves = _halves(chains)
    folded = np.abs(halves - np.median(halves, axis=(0, 1)))
    found = []
    for x in (halves, folded):
        within, pooled = _spreads(_ranked(x))
        moving = within > 0.0
        ratio = np.sqrt(pooled / np.where(moving, within, 1.0))
        found.append(np.where(moving, ratio, np.inf))
    return np.maximum(*found)


def effective_size(chains: Float[np.ndarray, "n_chain n_step n_z"]) -> np.ndarray:
    """Effective number of draws for the mean of every column.

    From the chains' autocorrelations, summed in pairs while these are positive and
    falling (Geyer 1992, 10.1214/ss/1177011137; several chains as in Vehtari 2021,
    equations 10 to 13). At most the number of draws.
    """
    halves = _halves(chains)
    m, n, n_z = halves.shape
    within, pooled = _spreads(halves)
    centred = halves - halves.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2
    covariance = np.fft.irfft(power, 2 * n, axis=1)[:, :n].mean(axis=0) / (n - 1)
    sizes = np.ones(n_z)
    for k in np.flatnonzero(within > 0.0):
        rho = 1.0 - (within[k] - covariance[:, k]) / pooled[k]
        rho[0] = 1.0
        pairs = rho[: 2 * (n // 2)].reshape(-1, 2).sum(axis=1)
        last = int(np.argmax(pairs <= 0.0)) if (pairs <= 0.0).any() else len(pairs)
        time = 2.0 * np.minimum.accumulate(pairs[:last]).sum() - 1.0
        sizes[k] = m * n / max(time, 1.0)
    return sizes


@eqx.filter_jit
def _moved(surrogate: LogDensity, key: Array, z: Array, root: Array, moves: int) -> Any:
    """Metropolis moves on the surrogate alone.

    Where they end, its log density there, and how many of its answers were no density
    (NaN or +inf).
    """

    def move(state: Any, key: Array) -> Any:
        z, log_s = state
        step, toss = jax.random.split(key)
        trial = z + jax.random.normal(step, z.shape) @ root.T
        log_trial = surrogate(trial)
        wrong = jnp.sum(jnp.isnan(log_trial) | jnp.isposinf(log_trial))
        accept = jnp.log(jax.random.uniform(toss, log_s.shape)) < log_trial - log_s
        z = jnp.where(accept[:, None], trial, z)
        log_s = jnp.where(accept, log_trial, log_s)
        return (z, log_s), wrong

    keys = jax.random.split(key, moves)
    (z, log_s), wrong = jax.lax.scan(move, (z, surrogate(z)), keys)
    return z, log_s, jnp.sum(wrong)


_asked = eqx.filter_jit(lambda surrogate, z: surrogate(z))


def _density(surrogate: LogDensity, z: np.ndarray) -> np.ndarray:
    """The surrogate's log density at z; ``ValueError`` where it gives none."""
    value = np.asarray(_asked(surrogate, jnp.asarray(z)))
    if value.shape != (len(z),) or value.dtype.kind != "f":
        raise ValueError(
            f"A surrogate gives one log density for each row of z {z.shape}, shape "
            f"{(len(z),)}; this one gave {value.dtype} of shape {value.shape}. Where "
            "it takes one row, type: jax.vmap(surrogate)"
        )
    _require_density(int((np.isnan(value) | np.isposinf(value)).sum()), len(z))
    return value


def _require_density(wrong: int, n: int) -> None:
    if wrong:
        raise ValueError(
            f"The surrogate's log density is NaN or +inf at {wrong} of {n} positions. "
            "It must be a number, or -inf, wherever the chains may go."
        )


def _started(target: Exact, surrogate: LogDensity, first: np.ndarray) -> Step:
    """The chains at their first positions; those without a density at others'."""
    log_s = _density(surrogate, first)
    log_p, seen = target(first)
    never = int((np.isfinite(log_p) & np.isneginf(log_s)).sum())
    if never:
        raise ValueError(
            f"The surrogate's log density is -inf at {never} of {len(first)} first "
            "positions where the model has a density: it would never look there. Give "
            "it one that is finite wherever the model's is."
        )
    good = np.flatnonzero(np.isfinite(log_p))
    if not good.size:
        raise ValueError(
            f"None of {len(first)} first positions near the fit has a sound "
            "prediction. Look at its verdict."
        )
    # a first position is free: the chains forget it, and R-hat says when they have not
    rows = np.where(np.isin(np.arange(len(first)), good), np.arange(len(first)), -1)
    rows[rows < 0] = np.resize(good, int((rows < 0).sum()))
    return Step(
        first[rows], log_p[rows], log_s[rows],
        jax.tree.map(lambda x: np.asarray(x)[rows], seen),
    )  # fmt: skip


def _proposed(
    surrogate: LogDensity, key: Array, now: Step, root: Array, moves: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where moves on the surrogate end, and its log density there."""
    z, log_s, wrong = _moved(surrogate, key, jnp.asarray(now.z), root, moves)
    _require_density(int(wrong), moves * len(now.z))
    return np.asarray(z), np.asarray(log_s)


def _decided(
    now: Step, trial: Step, rng: np.random.Generator
) -> tuple[Step, np.ndarray]:
    """The step after a proposal, and who took it."""
    gain = (trial.log_p - trial.log_s) - (now.log_p - now.log_s)
    accept = np.log(rng.random(len(gain))) < gain

    def pick(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(accept.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    seen = jax.tree.map(pick, trial.seen, now.seen)
    log_p, log_s = pick(trial.log_p, now.log_p), pick(trial.log_s, now.log_s)
    return Step(pick(trial.z, now.z), log_p, log_s, seen), accept


def run_chains(
    target: Exact,
    surrogate: LogDensity,
    first: Float[np.ndarray, "n_chain n_z"],
    root: Float[np.ndarray, "n_z n_z"],
    key: PRNGKeyArray,
    *,
    ess: float,
    most: int,
    moves: int = 100,
    progress: Callable[[int, float], None] | None = None,
) -> Draws:
    """Chains from ``first`` until ``ess`` effective draws agree, or ``most`` runs.

    ``root`` (Cholesky) shapes the ``moves`` on the surrogate between two runs of the
    model. The first fifth of the steps is dropped. Raises ``ValueError`` where the
    surrogate gives no density or no first position has one.
    """
    walking, tossing = jax.random.split(key)
    rng, shape = generator(tossing), jnp.asarray(root)
    now, runs = _started(target, surrogate, first), len(first)
    steps: list[Step] = []
    taken, ratios = [], []
    while True:
        for _ in range(_BLOCK):
            step_key = jax.random.fold_in(walking, len(steps))
            z, log_s = _proposed(surrogate, step_key, now, shape, moves)
            log_p, seen = target(z)
            now, accept = _decided(now, Step(z, log_p, log_s, seen), rng)
            steps.append(now)
            taken.append(accept.mean())
            ratios.append(log_p - log_s)
        runs += _BLOCK * len(first)
        kept = slice(int(_DROPPED * len(steps)), None)
        chains = np.stack([s.z for s in steps[kept]], axis=1)
        size, r_hat = effective_size(chains).min(), split_r_hat(chains).max()
        if progress is not None:
            progress(runs, float(size))
        enough = size >= ess and r_hat <= AGREED and len(steps) >= _FEWEST
        if enough or runs + _BLOCK * len(first) > most:
            break
    told = {
        "ess": float(size),
        "r_hat": float(r_hat),
        "accepted": float(np.mean(taken[kept])),
        "surrogate_pareto_k": _tail(np.concatenate(ratios[kept])),
        "draws": float(chains.shape[0] * chains.shape[1]),
        "evaluations": float(runs),
    }
    return _gathered(steps[kept], told)


def _tail(log_ratio: np.ndarray) -> float:
    """Pareto's k of p / s over the proposals."""
    return smooth(log_ratio)[1] if np.isfinite(log_ratio).any() else np.inf


def _gathered(steps: list[Step], told: dict[str, float]) -> Draws:
    """The chains one after the other as equally weighted draws."""

    def joined(*x: np.ndarray) -> np.ndarray:
        both = np.stack(x, axis=1)
        return both.reshape(-1, *both.shape[2:])

    z = joined(*(s.z for s in steps))
    seen = jax.tree.map(joined, *(s.seen for s in steps))
    return Draws(z, np.full(len(z), -np.log(len(z))), seen, "delayed", told)


def delayed(
    fit: Fit,
    key: PRNGKeyArray,
    surrogate: LogDensity,
    *,
    ess: float,
    most: int,
    chains: int = VALUE_LANES,
    moves: int = 100,
    progress: Callable[[int, float], None] | None = None,
) -> Draws:
    """Delayed acceptance around a fit, from Laplace's approximation.

    Diagnostics: ``accepted``, the share of proposals that the model takes;
    ``surrogate_pareto_k`` of p / s over the proposals, above 0.7 where the surrogate
    is too narrow to reach the posterior's tails; ``r_hat`` and ``ess``, the worst of
    all parameters. Raises ``ValueError`` for what is not a surrogate's density.
    """
    if chains < 2 or moves < 1:
        raise ValueError(
            f"Two chains and one move at least; got chains={chains}, moves={moves}."
        )
    target, where = Target(fit), laplace(fit)
    drawing, walking = jax.random.split(key)
    n_z = where.mean.size
    normal = generator(drawing).standard_normal((chains, n_z))
    made = run_chains(
        target, surrogate, where.mean + normal @ where.root.T,
        where.root * 2.38 / np.sqrt(n_z), walking,
        ess=ess, most=most, moves=moves, progress=progress,
    )  # fmt: skip
    made.diagnostics["failed"] = float(target.failed)
    return made
