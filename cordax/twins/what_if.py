"""What a treatment does to a twin's posterior draws."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from calibration.problems.problem import Problem
from cordax.twins.features import LEARNED, SENSED, WAVE
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.indices.beat import UNITS
from physio.parameters import replace


@dataclass(frozen=True)
class Draw:
    """What is kept of the beats of draws: indices, predictions of the observations,
    waves by phase, how far a residual was asked, the mean pressure that the reflex
    senses; draws come first."""

    features: dict[str, np.ndarray]
    values: tuple[np.ndarray, ...]
    waves: dict[str, np.ndarray]
    learned: dict[str, np.ndarray]
    sensed: np.ndarray
    ok: np.ndarray


def _draws(features: dict[str, Any], values: tuple[Any, ...], ok: Any) -> Draw:
    waves = {k.removeprefix(WAVE): v for k, v in features.items() if k.startswith(WAVE)}
    scalars = {k: v for k, v in features.items() if k in UNITS}
    learned = {k: v for k, v in features.items() if k.startswith(LEARNED)}
    return Draw(scalars, values, waves, learned, features[SENSED], ok)


@eqx.filter_jit
def _awake(problem: Problem, z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
    """Models and experiments of draws, stacked, with the reflex at rest in each."""

    def one(z: Array, gain: Array, sensed: Array) -> tuple[Any, Any]:
        model, experiment, _ = problem.pushed(z)
        return replace(model, "reflex", Baroreflex(gain, sensed)), experiment

    return eqx.filter_vmap(one)(z, gain, sensed)


@eqx.filter_jit
def _treated(models: Any, treatment: Any) -> tuple[Any, Array]:
    """Stacked models after a treatment, and where to begin to search for their beat:
    little to compile for each kind of treatment."""

    def one(model: Any) -> tuple[Any, Array]:
        after = treatment(model)
        return after, ravel_pytree(after.initial_state())[0]

    return eqx.filter_vmap(one)(models)


def _spread(values: Any) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)
