"""How much faster is a surrogate of the circulation, and may one believe it?

Parameters are drawn, the simulator run; a polynomial then answers in its place.
"""

import os
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import cordax
from learned.surrogates.polynomial import fit_polynomial
from learned.surrogates.surrogate import train_surrogate
from physio.hemodynamics.indices.beat import summarize
from physio.hemodynamics.loops.states import named_state
from physio.parameters import get, parameters, replace
from physio.periodic import periodic_beat, settle

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
RUNS, BATCH = (256, 128) if SMALL else (4096, 512)
FREE = {"systemic.resistance": 0.2, "systemic_arteries.compliance": 0.2,
        "left_ventricle.active_elastance": 0.2, "pulmonary.resistance": 0.2,
        "systemic_veins.unstressed_volume": 0.03}  # fmt: skip
SHOWN = ("mean_pressure", "pulse_pressure", "stroke_volume", "wedge_pressure")
cordax.setup(fuse=True)
heart = named_state("healthy_man", reflex=False)
usual = jnp.stack([get(heart, name) for name in FREE])


@jax.jit
def simulate(x):
    """Indices of a batch of hearts, and which of them beat."""

    def one(values):
        varied = heart
        for name, value in zip(FREE, values, strict=True):
            varied = replace(varied, name, value)
        periodic = settle(varied)
        seen = summarize(periodic_beat(periodic), periodic.system)
        return {name: seen[name] for name in SHOWN}, periodic.ok

    return jax.vmap(one)(x)


def sample(key, n):
    """Parameters of n hearts about the usual one."""
    normal = jax.random.normal(key, (n, len(FREE)))
    return usual * jnp.exp(jnp.asarray([*FREE.values()]) * normal)


units = tuple(parameters(heart)[name].unit for name in FREE)
surrogate = train_surrogate(
    simulate, sample, tuple(FREE), units, key=jax.random.key(0), runs=RUNS, batch=BATCH,
    learn=partial(fit_polynomial, degree=2 if SMALL else 3),
)  # fmt: skip
many = jax.jit(jax.vmap(surrogate.mean))
ends = jax.jit(jax.vmap(lambda x: surrogate.interval(x, 0.95)))
new = sample(jax.random.key(1), BATCH)
truth, _ = simulate(new)
answer, interval = many(new), ends(new)
print(f"{'':20}error, median   in the 95 % interval")
for name in SHOWN:
    error = 100 * np.median(np.abs(answer[name] / truth[name] - 1.0))
    low, high = interval[name]
    inside = 100 * np.mean((low <= truth[name]) & (truth[name] <= high))
    print(f"{name:20}{error:12.3f} %{inside:17.0f} %")

seconds = []
for run in (simulate, many):
    start = time.perf_counter()
    jax.block_until_ready(run(new))
    seconds.append(time.perf_counter() - start)
ratio = seconds[0] / seconds[1]
far = surrogate(usual.at[0].mul(4.0))
print(f"Answer: {ratio:.0f} times faster; at four times the resistance it says that it")
print(f"does not know: {float(far.excess):.1f} widths outside what it was trained on.")
