"""Which of two equal lesions ends this re-entry around a slow isthmus?

A wave circles through a slow isthmus between two scars. One lesion closes the isthmus,
its equal lies beside it in healthy tissue.
"""

import os

import jax.numpy as jnp
import numpy as np

import cordax
from cordax.reports.figures import activation_sheet
from physio import set_to, then
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.diffusion import BondAverage, Conductivity, full_grid
from physio.electrophysiology.tissue import (
    Monodomain,
    Recorder,
    ablate,
    as_dtype,
    line,
    run,
    stimulate,
)

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SPACING, AFTER = (0.8, 600.0) if SMALL else (0.5, 1000.0)  # mm, ms
WIDTH, HEIGHT, RECORD = 60.0, 40.0, Recorder(every=5.0)
cordax.setup(fuse=True)

shape = (round(WIDTH / SPACING), round(HEIGHT / SPACING))
grid = full_grid(shape, SPACING)
x, y = np.asarray(grid.nodes)[:, :2].T
scar = (np.abs(x - 30) < 12) & (np.abs(y - 20) > 2.5) & (np.abs(y - 20) < 12)
isthmus = (np.abs(x - 30) < 12) & (np.abs(y - 20) <= 2.5)
sigma = jnp.where(jnp.asarray(isthmus), 0.012, 0.1)
cell = then(set_to("closing_time", 20.0), set_to("opening_time", 60.0))(
    CorradoNiederer2016()
)
tissue = Monodomain(cell, grid, Conductivity(sigma, sigma, sigma), scheme=BondAverage())
heart = as_dtype(ablate(scar)(tissue), jnp.float32)

# The isthmus' right mouth is closed until the wave has gone around and into the left
gate = isthmus & (x > 38.0)
beside = (x > 44.0) & (x < 47.0)
pulse = stimulate(beside, strength=0.6, duration=2.0, dtype=jnp.float32)
start = run(ablate(gate)(heart), 200.0, pulse, dt=0.1, record=RECORD)
before = run(heart, AFTER, dt=0.1, record=RECORD, y0=start.state)
period = float(np.nanmedian(np.diff(before.activations(), axis=0)))

LESIONS = {
    "across the isthmus": line(grid.nodes, [(30, 16, 0), (30, 24, 0)], 1.2),
    "beside it": line(grid.nodes, [(52, 16, 0), (52, 24, 0)], 1.2),
}
print(f"Without a lesion the wave is around every {period:.0f} ms")
print("lesion               last activation (ms)   ended")
ended = {}
for name, mask in {"none": np.zeros_like(scar), **LESIONS}.items():
    treated = ablate(mask)(heart) if mask.any() else heart
    seen = run(treated, AFTER, dt=0.1, record=RECORD, y0=before.state)
    last = seen.time.max() if seen.time.size else 0.0
    ended[name] = last < AFTER - 0.5 * period
    print(f"{name:18}   {last:20.0f}   {'yes' if ended[name] else 'no'}")
picture = activation_sheet(
    grid.nodes, before.activation(0), "11_reentry_and_lesion.png", shape=shape
)
print("Picture:", picture)
print(
    "Answer:",
    ", ".join(n for n, done in ended.items() if done) or "neither",
    "ends it.",
)
