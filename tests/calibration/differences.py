"""Derivatives by differences of the program that predicts, beside its own."""

import jax
import jax.numpy as jnp
import numpy as np

from calibration.optimise.batches import predict_many
from calibration.problems.problem import Linearised, Problem


def central(problem: Problem, z: np.ndarray, near: Linearised) -> np.ndarray:
    """d residuals / dz at z, (n_r, n_z), by fourth-order central differences.

    ``near`` is the linearisation there, of any grid: searches for the beat begin from
    its first-order guess. The step balances truncation against the 1e-8 to which a
    beat is settled.
    """
    h, n = 1e-3, z.size
    steps = np.concatenate([k * h * np.eye(n) for k in (-2, -1, 1, 2)])
    start = near.prediction.state + steps @ near.state_jacobian[0].T
    _, seen = predict_many(problem, z + steps, start)
    assert seen.ok.all()
    r = jax.vmap(problem.residuals)(jax.tree.map(jnp.asarray, seen))
    r = np.asarray(r).reshape(4, n, -1)
    return ((r[0] - 8.0 * r[1] + 8.0 * r[2] - r[3]) / (12.0 * h)).T
