"""What would a fluid bolus and a vasodilator do to this patient?

Calibrates a heart, then treats every draw of its posterior with the baroreflex acting
about that draw's own pressure. Nobody measured the reflex: its gain is a prior's draw.
"""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import cordax
from calibration import fit
from calibration.sampling.posterior import sample_fit
from cordax.patients import find
from cordax.twins import prepare as build
from physio import set_to, then
from physio.hemodynamics import Baroreflex
from physio.hemodynamics.indices.beat import UNITS, beat_mean
from physio.hemodynamics.treatments import fluid_bolus, vasodilator

cordax.setup()

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SHOWN = ("mean_pressure", "cardiac_output", "wedge_pressure", "heart_rate")
start = build.start(cordax.read(find("periop")))
problem = (start.model, start.space, start.observations, start.experiment)
best = fit(*problem, starts=1 if SMALL else 6)
key, other = jax.random.split(jax.random.key(1))
if SMALL:  # Laplace's normal, a few draws
    z = jax.random.multivariate_normal(key, best.z, best.covariance, (32,))
else:
    z = sample_fit(best, key=key, draws=256).z
gain = jax.vmap(start.reflex_gain.value)(jax.random.normal(other, z.shape[:1]))


@eqx.filter_jit
@eqx.filter_vmap(in_axes=(0, 0, 0, None))
def beat(z, gain, set_point, dose):
    """Indices, the pressure that the reflex senses, and whether a beat was found."""
    reflex = set_to("reflex", Baroreflex(gain, set_point))
    treatment = then(reflex, fluid_bolus(dose[0]), vasodilator(dose[1]))
    periodic, run = start.experiment.beat(treatment(start.space.push(start.model, z)))
    seen = start.experiment.features(run, periodic.system)
    sensed = beat_mean(run.t, run.observed.pressure["systemic_arteries"])
    return {name: seen[name] for name in SHOWN}, sensed, periodic.ok & run.ok


doses = {"bolus 500 mL": (500.0, 1.0), "vasodilator": (0.0, 0.8), "both": (500.0, 0.8)}
off = jnp.zeros_like(gain)  # with a gain of 0 the reflex does nothing
before, sensed, ok = beat(z, off, off + 80.0, jnp.array([0.0, 1.0]))
figure, panels = plt.subplots(1, len(SHOWN), figsize=(12, 3.2), layout="constrained")
for place, (title, dose) in enumerate(doses.items()):
    after, _, also_ok = beat(z, gain, sensed, jnp.array(dose))
    good = np.asarray(ok & also_ok)
    print(f"\n{title}: change, median and 90 % credible interval; {good.sum()} draws")
    spread = {}
    for panel, name in zip(panels, SHOWN, strict=True):
        change = np.asarray(after[name] - before[name])[good]
        low, middle, high = spread[name] = np.quantile(change, [0.05, 0.5, 0.95])
        print(f"  {name:18} {middle:+7.2f} ({low:+.2f} to {high:+.2f})")
        panel.errorbar(place, middle, [[middle - low], [high - middle]], fmt="o")
    low, _, high = spread["cardiac_output"]
    least, _, most = spread["mean_pressure"]
    print(
        f"Answer: {title}: with 90 % probability the output changes by {low:+.1f} to "
        f"{high:+.1f} L/min and the mean pressure by {least:+.0f} to {most:+.0f} mmHg."
    )
for panel, name in zip(panels, SHOWN, strict=True):
    panel.axhline(0.0, color="k", linewidth=0.8)
    title = f"Change of {name.replace('_', ' ')}"
    panel.set(title=title, ylabel=UNITS[name], xlim=(-0.5, 2.5))
    panel.set_xticks(range(3), [t.replace(" ", "\n", 1) for t in doses])
figure.savefig("04_what_if_with_uncertainty.png", dpi=150)
print("\nPicture: 04_what_if_with_uncertainty.png")
