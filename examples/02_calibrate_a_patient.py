"""Which heart explains this anaesthetised patient's numbers and arterial line?

Builds a circulation and its priors from an embedded patient record, finds the most
probable heart, and asks how far the measurements narrow each parameter.
``cordax.calibrate(record)`` goes on to draw from the posterior and keeps a twin.
"""

import os

import jax.numpy as jnp
import matplotlib.pyplot as plt

import cordax
from calibration import Observation, Waveform, fit
from cordax.patients import find
from cordax.twins import prepare as build

cordax.setup()

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"

start = build.start(cordax.read(find("periop")))
given = (start.model, start.space, start.observations, start.experiment)
best = fit(*given, starts=1 if SMALL else 6)
print(*start.assumptions, *best.verdict, sep="\n")

print(f"\n{'measured':36} {'value':>8} {'sd':>6} {'model':>8}")
numbers = [o for o in start.observations if isinstance(o, Observation)]
for o in numbers:
    print(
        f"{o.label:36} {float(o.value):8.4g} {float(o.total_sd):6.2g} "
        f"{float(best.predictions[o.label]):8.4g} {o.unit}"
        + ("" if o.role == "likelihood" else ", not fitted")
    )

# Laplace's normal about the most probable heart, through each prior's own scale
sd = 1.645 * jnp.sqrt(jnp.diag(best.covariance))
low, high = start.space.physical(best.z - sd), start.space.physical(best.z + sd)
least, most = start.space.quantiles(0.05), start.space.quantiles(0.95)
print(f"\n{'parameter':36} {'prior (90 %)':>20} {'posterior (90 %)':>20}")
for name in start.space.names:
    before = f"{float(least[name]):.3g} to {float(most[name]):.3g}"
    after = f"{float(low[name]):.3g} to {float(high[name]):.3g}"
    print(f"{name:36} {before:>20} {after:>20}")

wave = next(o for o in start.observations if isinstance(o, Waveform))
ratio = {name: float(r) for name, r in best.shrinkage.items()}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(wave.t, wave.values, "k.", markersize=4, label="recorded")
left.plot(wave.t, best.predictions[wave.label], label="most probable heart")
fitted = "fitted" if wave.role == "likelihood" else "compared, not fitted"
left.set(xlabel="Time (s)", ylabel="Pressure (mmHg)", title=f"Radial artery, {fitted}")
left.legend()
right.barh(list(ratio), list(ratio.values()))
right.axvline(1.0, color="k", linewidth=0.8)
right.invert_yaxis()
right.set(xlabel="Posterior sd / prior sd", title="What the data leave open")
figure.savefig("02_calibrate_a_patient.png", dpi=150)
print("\nPicture: 02_calibrate_a_patient.png")

seen = [name for name, r in ratio.items() if r < 0.5]
explained = sum(abs(float(best.residuals[o.label])) < 2.0 for o in numbers)
misfit = jnp.sqrt(jnp.mean((best.predictions[wave.label] - wave.values) ** 2))
print(
    f"Answer: one heart explains {explained} of {len(numbers)} numbers within 2 sd and "
    f"the pulse to {float(misfit):.1f} mmHg RMSE ({fitted}). The data narrow to less "
    f"than half their prior {len(seen)} of {len(ratio)} parameters: {', '.join(seen)}."
)
