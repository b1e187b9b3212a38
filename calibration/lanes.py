"""Many independent evaluations of one compiled program, in lanes, on all cores.

A beat is a long loop of tiny steps: one evaluation cannot use a second core, and a
vmapped evaluation costs per lane a fraction of a lone one. So evaluations go in
chunks of a fixed number of lanes (one compiled program whatever their number) and
the chunks go to a few threads. Measured on 2 cores with the 12-state loop and eight
parameters, warm start: one Jacobian 36 ms, four lanes 55 ms, two such chunks in two
threads 62 ms.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from calibration.misfit import Linearised, Prediction, Problem, linearise

JACOBIAN_LANES = 4
VALUE_LANES = 64


@eqx.filter_jit
def _linearise_lanes(problem: Problem, z: Any, start: Any) -> Linearised:
    return eqx.filter_vmap(linearise)(problem, z, start)


@eqx.filter_jit
def _predict_lanes(problem: Problem, z: Any, start: Any) -> tuple[Any, Prediction]:
    def one(z: Any, start: Any) -> Any:
        prediction = problem.predict(z, start)
        return problem.log_likelihood(prediction), prediction

    return jax.vmap(one)(z, start)


def _workers() -> int:
    if jax.default_backend() != "cpu":
        return 1
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def in_chunks(
    program: Callable[..., PyTree], lanes: int, *stacked: PyTree
) -> PyTree:
    """Apply a program of ``lanes`` lanes to arguments stacked on their first axis.

    The last chunk is filled up with copies of its last row. Returns numpy arrays.
    """
    n = jax.tree.leaves(stacked)[0].shape[0]
    chunks = math.ceil(n / lanes)

    def call(k: int) -> PyTree:
        rows = np.minimum(np.arange(k * lanes, (k + 1) * lanes), n - 1)
        out = program(*jax.tree.map(lambda x: x[rows], stacked))
        return jax.tree.map(np.asarray, out)

    if chunks == 1:
        parts = [call(0)]
    else:
        with ThreadPoolExecutor(min(_workers(), chunks)) as pool:
            parts = list(pool.map(call, range(chunks)))
    return jax.tree.map(lambda *x: np.concatenate(x)[:n], *parts)


def stacked(problem: Problem, n: int) -> Problem:
    """The problem's arrays repeated on a new first axis."""
    return jax.tree.map(
        lambda x: np.broadcast_to(np.asarray(x), (n, *x.shape))
        if eqx.is_array(x)
        else x,
        problem,
    )


def linearise_many(
    problems: Problem, z: np.ndarray, start: np.ndarray, lanes: int = JACOBIAN_LANES
) -> Linearised:
    """:func:`linearise` for stacked problems, one lane each."""
    arrays, static = eqx.partition(problems, eqx.is_array)

    def program(arrays: Any, z: Any, start: Any) -> Linearised:
        return _linearise_lanes(eqx.combine(arrays, static), z, start)

    return in_chunks(program, lanes, arrays, z, start)


def predict_many(
    problem: Problem, z: np.ndarray, start: np.ndarray, lanes: int = VALUE_LANES
) -> tuple[np.ndarray, Prediction]:
    """Log-likelihoods and predictions at many z of one problem."""

    def program(z: Any, start: Any) -> tuple[Any, Prediction]:
        return _predict_lanes(problem, z, start)

    return in_chunks(program, lanes, z, start)
