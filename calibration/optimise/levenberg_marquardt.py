"""Levenberg-Marquardt for many starts at once, on the host.

The sum of squares is |r(z)|^2 + |z|^2: residuals of the data and, because z is
standard normal under the prior, the prior's. Each iteration solves

    (J'J + P + lambda I) step = -(J'r + P z),     P = identity (0 where held)

for every start, with lambda by the gain ratio (Nielsen 1999, IMM-REP-1999-05).

It is our own and not optimistix's for one reason: residuals and Jacobian come from
the device in lanes (``calibration.optimise.batches``), while the algebra of ten
unknowns is done here in numpy. So one compiled program serves every start, patient and
profile, starts that have converged leave their lane to others, each search for a
periodic beat starts from the tangent prediction of the last one (one Newton step
instead of three), and a progress bar or Ctrl-C works between iterations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calibration.problems.problem import Linearised

#: rows, z, start -> a linearisation of those rows
Evaluate = Callable[[np.ndarray, np.ndarray, np.ndarray], Linearised]

_LONGEST = 1.5  # prior sd that a parameter may move in one iteration
_GAIN = 1e-7  # expected gain of the objective at which a start is converged
_STUCK = 1e8  # lambda at which no descent is possible (a kink)


@dataclass
class Descent:
    """Where each start ended: z, the linearisation there, objective and flags."""

    z: np.ndarray
    at: Linearised
    objective: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


def _objective(at: Linearised, z: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Half the sum of squares; infinite where the prediction is not sound."""
    with np.errstate(all="ignore"):
        value = 0.5 * (at.residuals**2).sum(-1) + 0.5 * (weight * z**2).sum(-1)
        slopes = np.isfinite(at.jacobian).all((-1, -2))
    return np.where(at.prediction.ok & np.isfinite(value) & slopes, value, np.inf)


def _put(
    into: Linearised, rows: np.ndarray, new: Linearised, which: np.ndarray
) -> None:
    """Overwrite some rows of a linearisation (numpy arrays, in place)."""
    import jax

    for old, fresh in zip(jax.tree.leaves(into), jax.tree.leaves(new), strict=True):
        old[rows[which]] = fresh[which]


def _first(
    evaluate: Evaluate, z: np.ndarray, start: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, Linearised, np.ndarray]:
    """The first linearisation; an unsound start moves towards z = 0."""
    import jax

    z, rows = z.copy(), np.arange(len(z))
    at = jax.tree.map(np.array, evaluate(rows, z, start))
    value = _objective(at, z, weight)
    for _ in range(6):
        bad = np.flatnonzero(~np.isfinite(value))
        if bad.size == 0:
            break
        z[bad] = np.where(weight[bad] > 0.0, 0.5 * z[bad], z[bad])
        again = evaluate(bad, z[bad], start[bad])
        _put(at, bad, again, np.full(bad.size, True))
        value[bad] = _objective(again, z[bad], weight[bad])
    return z, at, value


def _step(
    jacobian: np.ndarray, r: np.ndarray, z: np.ndarray, w: np.ndarray, damp: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The damped step of every row and the decrease of the objective it promises."""
    free = (w > 0.0).astype(float)
    jacobian = jacobian * free[:, None, :]
    slope = np.einsum("brz,br->bz", jacobian, r) + w * z
    curvature = np.einsum("brz,brk->bzk", jacobian, jacobian)
    eye = np.eye(z.shape[1])
    curvature = curvature + eye * np.where(free > 0.0, w, 1.0)[:, None, :]
    damped = curvature + damp[:, None, None] * eye
    step = -np.linalg.solve(damped, slope[..., None])[..., 0] * free
    longest = np.abs(step).max(-1, keepdims=True)
    step = step * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-300))
    linear = np.einsum("bz,bz->b", slope, step)
    return step, -linear - 0.5 * np.einsum("bz,bzk,bk->b", step, curvature, step)


def descend(
    evaluate: Evaluate,
    z: np.ndarray,
    start: np.ndarray,
    *,
    held: np.ndarray | None = None,
    max_iterations: int = 40,
    progress: Callable[[int, float], None] | None = None,
) -> Descent:
    """Minimise from every row of ``z``.

    ``start`` holds the flat states at which each row's first search
    begins; ``held`` marks parameters that stay where they are, free of their prior.
    ``progress(iteration, best objective)`` is called after every iteration.
    """
    weight = np.ones_like(z) if held is None else np.where(held, 0.0, 1.0)
    z, at, value = _first(evaluate, z, start, weight)
    damp, growth = np.full(len(z), 1e-2), np.full(len(z), 2.0)
    converged = np.zeros(len(z), bool)
    active = np.isfinite(value)
    iterations = np.zeros(len(z), int)
    for iteration in range(max_iterations):
        rows = np.flatnonzero(active)
        if rows.size == 0:
            break
        step, promised = _step(
            np.asarray(at.jacobian[rows]), np.asarray(at.residuals[rows]), z[rows],
            weight[rows], damp[rows],
        )  # fmt: skip
        done = (promised < _GAIN) | (damp[rows] > _STUCK)
        converged[rows[done]] = promised[done] < 1e-3
        active[rows[done]] = False
        rows, step, promised = rows[~done], step[~done], promised[~done]
        if rows.size == 0:
            break
        trial = z[rows] + step
        guess = at.prediction.state[rows]
        guess = guess + np.einsum("byz,bz->by", at.state_jacobian[rows], step)
        new = evaluate(rows, trial, guess)
        after = _objective(new, trial, weight[rows])
        gain = (value[rows] - after) / promised
        better = np.isfinite(after) & (gain > 1e-4)
        _put(at, rows, new, better)
        z[rows[better]], value[rows[better]] = trial[better], after[better]
        shrink = np.maximum(1.0 / 3.0, 1.0 - (2.0 * np.nan_to_num(gain) - 1.0) ** 3)
        damp[rows] *= np.where(better, np.minimum(shrink, 2.0), growth[rows])
        damp[rows] = np.maximum(damp[rows], 1e-9)
        growth[rows] = np.where(better, 2.0, 2.0 * growth[rows])
        iterations[rows] += 1
        if progress is not None:
            progress(iteration + 1, float(value.min()))
    return Descent(z, at, value, converged, iterations)
