"""Many independent evaluations of one compiled program, in lanes, on all cores.

A beat, or a front, is a long loop of tiny steps: one evaluation cannot use a second
core, and a vmapped evaluation costs per lane a fraction of a lone one. So evaluations
go in chunks of a fixed number of lanes (one compiled program whatever their number)
and the chunks go to a few threads. Measured on 2 cores with the demo patient, warm
start, each: a Jacobian 6 ms alone, 2 ms in fours; a prediction 2.7 ms alone, 1 ms by
32.
"""

# pyright: reportCallIssue=false
# filter_jit hands the compiler's options to jax.jit, and its types do not say so

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from calibration.problems.problem import (
    AbstractExperiment,
    Linearised,
    Prediction,
    Problem,
    linearise,
)

JACOBIAN_LANES = 4
VALUE_LANES = 32
# XLA's older kernels: they compile in three quarters of the time and run as fast here
COMPILER = {"xla_cpu_use_fusion_emitters": False}


@partial(eqx.filter_jit, compiler_options=COMPILER)
def _linearise_lanes(problem: Problem, z: Any, start: Any) -> Linearised:
    return jax.vmap(lambda z, start: linearise(problem, z, start))(z, start)


@partial(eqx.filter_jit, compiler_options=COMPILER)
def _linearise_problems(problems: Problem, z: Any, start: Any) -> Linearised:
    return eqx.filter_vmap(linearise)(problems, z, start)


@partial(eqx.filter_jit, compiler_options=COMPILER)
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


def in_chunks(program: Callable[..., PyTree], lanes: int, *stacked: PyTree) -> PyTree:
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


def together(problems: list[Problem]) -> Problem:
    """Problems of one shape as one, their arrays stacked on a new first axis."""
    first = jax.tree.structure(problems[0])
    for k, problem in enumerate(problems):
        if jax.tree.structure(problem) != first:
            raise ValueError(
                f"Problem {k} differs from the first in its model's elements, its "
                "free names or its kinds of observation; they cannot be one batch."
            )
    return jax.tree.map(
        lambda *x: np.stack(x) if eqx.is_array(x[0]) else x[0], *problems
    )


def linearise_many(
    problem: Problem, z: np.ndarray, start: np.ndarray, lanes: int = JACOBIAN_LANES
) -> Linearised:
    """:func:`calibration.problems.problem.linearise` of one problem at many z."""

    def program(z: Any, start: Any) -> Linearised:
        return _linearise_lanes(problem, z, start)

    return in_chunks(program, lanes, z, start)


def linearise_each(
    problems: Problem, z: np.ndarray, start: np.ndarray, lanes: int = JACOBIAN_LANES
) -> Linearised:
    """The same for stacked problems, one lane each."""
    arrays, static = eqx.partition(problems, eqx.is_array)

    def program(arrays: Any, z: Any, start: Any) -> Linearised:
        return _linearise_problems(eqx.combine(arrays, static), z, start)

    return in_chunks(program, lanes, arrays, z, start)


def predict_many(
    problem: Problem, z: np.ndarray, start: np.ndarray, lanes: int = VALUE_LANES
) -> tuple[np.ndarray, Prediction]:
    """Log-likelihoods and predictions at many z of one problem."""

    def program(z: Any, start: Any) -> tuple[Any, Prediction]:
        return _predict_lanes(problem, z, start)

    return in_chunks(program, lanes, z, start)


@partial(eqx.filter_jit, compiler_options=COMPILER)
def _features_lanes(models: Any, experiments: Any, start: Any) -> Any:
    def one(model: Any, experiment: AbstractExperiment, start: Any) -> Any:
        seen = experiment.predict(model, (), None, start)
        return seen.features, seen.state, seen.ok

    return eqx.filter_vmap(one)(models, experiments, start)


def features_many(
    models: Any, experiments: Any, start: Any, lanes: int = VALUE_LANES
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Features, flat state and ``ok`` of stacked models, one lane each.

    ``experiments`` are stacked likewise; ``start`` holds the flat states at which the
    searches begin. One compiled program whatever was done to the models.
    """
    both, static = eqx.partition((models, experiments), eqx.is_array)
    both = jax.tree.map(np.asarray, both)

    def program(both: Any, start: Any) -> Any:
        models, experiments = eqx.combine(both, static)
        return _features_lanes(models, experiments, start)

    return in_chunks(program, lanes, both, np.asarray(start))
