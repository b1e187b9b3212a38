"""How fast do a sheet and its scar conduct, and when did the second site fire?

A map of 36 electrodes with 2 ms of noise is fitted by the calibration that also fits a
circulation. Change the electrodes, the noise or the scar, and see what the map tells.
"""

import os
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

import cordax
from calibration import ActivationMap, ActivationMapping, Free, LogNormal, Normal, Space
from calibration.sampling import sample
from physio.electrophysiology.anatomy import Sheet
from physio.electrophysiology.eikonal import Region, RegionalConduction, Site

cordax.setup()

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"

# the geometry: a sheet of tissue with a round scar, fibres at 30 degrees
sheet = Sheet(30.0, 30.0, fibre=30.0).as_mesh(2.0 if SMALL else 1.0)
x, y, _ = sheet.centroids("triangle").T
scar = np.hypot(x - 17.0, y - 17.0) < 8.0
sheet = replace(sheet, regions={"triangle": scar.astype(np.int32)})
east, north = np.meshgrid(np.linspace(3.0, 27.0, 6), np.linspace(3.0, 27.0, 6))
places = np.stack([east.ravel(), north.ravel(), np.zeros(east.size)], axis=1)
mapping = ActivationMapping.of(sheet, places)

# the model: mm/ms along the fibres, ratio of along to across, number of the region
model = RegionalConduction(
    {"healthy": Region(0.6, 2.2, 0), "scar": Region(0.3, 2.2, 1)},
    {"pacing": Site((2.0, 2.0, 0.0)), "septal": Site((28.0, 4.0, 0.0), 12.0)},
)
space = Space(
    (
        Free("regions.healthy.velocity", LogNormal(0.6, 0.25), unit="mm/ms"),
        Free("regions.scar.velocity", LogNormal(0.3, 0.35), unit="mm/ms"),
        Free("regions.healthy.anisotropy", LogNormal(2.2, 0.2), 1.0),
        Free("sites.septal.onset", Normal(12.0, 8.0), unit="ms"),
    )
)

# the map: what a heart unknown to the fit would show
truth = space.physical(jnp.array([0.6, -0.9, 0.5, -0.8]))
times = mapping.predict(space.put(model, truth), ()).features["activation_time"]
noise = np.random.default_rng(1).normal(0.0, 2.0, times.size)
seen = (ActivationMap(times + noise, 2.0, discrepancy_sd=0.5),)

posterior = sample(
    model, space, seen, mapping, key=jax.random.key(0), starts=4, ess=500.0, draws=500
)
print(*posterior.fit.verdict, *posterior.verdict, sep="\n")
print(f"\n{'':28} {'truth':>7} {'5 %':>7} {'median':>7} {'95 %':>7}")
found, inside = posterior.intervals(), 0
for free in space.free:
    middle, low, high = found[free.name]
    inside += low <= float(truth[free.name]) <= high
    row = (float(truth[free.name]), low, middle, high)
    print(f"{free.name:28} {' '.join(f'{v:7.3f}' for v in row)} {free.unit}")

healthy, slow = (found[f"regions.{name}.velocity"] for name in ("healthy", "scar"))
print(
    f"\nAnswer: {healthy.median:.2f} mm/ms along healthy fibres and {slow.median:.2f} "
    f"in the scar ({slow.lower:.2f} to {slow.upper:.2f}); the second site fired at "
    f"{found['sites.septal.onset'].median:.0f} ms. {inside} of {len(space.free)} "
    "truths lie inside their 90 % intervals."
)
