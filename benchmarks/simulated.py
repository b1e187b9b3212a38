"""Batches of circulations for a surrogate: parameters in, indices and a wave out."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from calibration import Experiment, Free, LogNormal, Space
from calibration.optimise.batches import VALUE_LANES, in_chunks
from physio.hemodynamics.indices.beat import aortic_site
from physio.parameters import get

WAVE = "aortic_pressure"


def space_of(model: Any, spread: dict[str, float]) -> Space:
    """Lognormal priors about the model's values; ``spread``: sd of the logarithms."""
    free = (Free(k, LogNormal(get(model, k), sd)) for k, sd in spread.items())
    return Space(tuple(free))


@eqx.filter_jit
def _beats(
    model: Any,
    experiment: Experiment,
    space: Space,
    kept: Callable[[str], bool],
    x: Any,
) -> Any:
    def one(x: Any) -> Any:
        varied = space.put(model, dict(zip(space.names, x, strict=True)))
        periodic, beat = experiment.beat(varied)
        seen = experiment.features(beat, periodic.system)
        outputs = {name: v for name, v in seen.items() if kept(name)}
        pressure = beat.observed.pressure
        outputs[WAVE] = pressure[aortic_site(pressure)][:-1:2]
        return outputs, periodic.ok & beat.ok

    return jax.vmap(one)(x)


def simulator(model: Any, space: Space, kept: Callable[[str], bool]) -> Any:
    """x (n, n_in), physical values -> indices ``kept``, aortic pressure, ok (n,)."""
    experiment = Experiment(steps_per_beat=200)
    return lambda x: in_chunks(
        lambda x: _beats(model, experiment, space, kept, x), VALUE_LANES, np.asarray(x)
    )


def draws(space: Space, key: Any, n: int, spread: float = 1.0) -> Any:
    """Parameters (n, n_in) of the prior, or of one ``spread`` times as wide."""
    values = jax.vmap(space.physical)(spread * jax.random.normal(key, (n, space.size)))
    return jnp.stack([values[name] for name in space.names], axis=1)


def median_errors(
    means: dict[str, Any], truth: dict[str, Any], ok: Any
) -> dict[str, float]:
    """Median relative error of every output over sound runs; a wave's over its beat."""
    found = {}
    for name, value in truth.items():
        off, size = np.abs(np.asarray(means[name]) - value)[ok], np.abs(value[ok])
        if name == WAVE:  # over a beat, of its mean
            off, size = np.sqrt(np.mean(off**2, axis=1)), size.mean(axis=1)
        found[name] = float(np.median(off / size))
    return found
