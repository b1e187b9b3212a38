"""Which parameters can my data see: with a cuff alone, with an arterial line as well?

Fits the same patient twice: from pressures as uncertain as a cuff's, nothing else,
and from an arterial line with output and venous pressure. What was not measured has
an sd beyond all bounds, so that one compiled program serves both records.
"""

import os

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt

import cordax
from calibration import fit
from calibration.assessment.identifiability import (
    INTERVAL_95,
    fisher,
    profile,
    sentences,
)
from cordax.patients import find
from cordax.twins import prepare as build

cordax.setup()

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
NAME = "systemic.resistance"
CUFF = {"systolic_pressure": 8.0, "diastolic_pressure": 6.0}  # sd, mmHg
UNMEASURED = 1e6

start = build.start(cordax.read(find("periop")))
line = start.observations
cuff = tuple(
    eqx.tree_at(lambda o: o.sd, o, jnp.asarray(CUFF.get(o.kind, UNMEASURED)))
    for o in line
)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
seen = {}
for title, observations in {"a cuff": cuff, "a line, CO and CVP": line}.items():
    best = fit(start.model, start.space, observations, start.experiment, starts=1)
    spectrum = fisher(best)
    told = (*spectrum.sentences()[:3], *sentences(best))
    print(f"\nWith {title}:", *told, sep="\n  ")
    seen[title] = [name for name, r in best.shrinkage.items() if float(r) < 0.9]
    left.semilogy(spectrum.eigenvalues[:6], "o-", label=title)
    held = profile(best, NAME, points=2 if SMALL else 13)
    print(f"  {held.sentence()}")
    right.plot(held.value, held.rise, "o-", label=title)

left.axhline(1.0, color="k", linewidth=0.8)
left.set(
    title="Fisher information",
    xlabel="Direction, best seen first",
    ylabel="Eigenvalue (1: as much as the prior)",
    ylim=(1e-3, None),
)
left.legend()
right.axhline(INTERVAL_95, color="k", linewidth=0.8)
right.set(
    title="Profile: within 95 % below the line",
    xlabel=f"{NAME} (mmHg s/mL)",
    ylabel="Rise of chi2",
    ylim=(-0.5, 20.0),
)
right.legend()
figure.savefig("03_which_parameters_can_my_data_see.png", dpi=150)
print("\nPicture: 03_which_parameters_can_my_data_see.png")
for title, names in seen.items():
    print(
        f"Answer: {title}: {len(names)} of {start.space.size} parameters narrowed by a "
        f"tenth or more: {', '.join(names)}."
    )
