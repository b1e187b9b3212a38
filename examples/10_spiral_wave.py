"""Does a premature stimulus start a spiral on this sheet, and where does its tip go?

Paces one edge of a sheet, stimulates a quarter of it in the wave's tail, and follows
the singularity of the phase that the spiral turns around.
"""

import os

import jax.numpy as jnp
import numpy as np

import cordax
from cordax.reports.figures import tip_trajectories
from physio import set_to, then
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.diffusion import BondAverage, Conductivity, full_grid
from physio.electrophysiology.signals import (
    delay_phase,
    grid_loops,
    singularities,
    track,
)
from physio.electrophysiology.tissue import (
    Monodomain,
    Pacing,
    Recorder,
    as_dtype,
    run,
    stimulate,
)

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SIDE, SPACING = 60.0, 0.6 if SMALL else 0.4  # mm
DURATION, S2 = (500.0 if SMALL else 1500.0), 170.0  # ms
cordax.setup(fuse=True)

count = round(SIDE / SPACING)
cell = then(set_to("closing_time", 30.0), set_to("opening_time", 60.0))(
    CorradoNiederer2016()
)
sheet = as_dtype(
    Monodomain(
        cell, full_grid((count, count), SPACING), Conductivity(0.1, 0.1, 0.1),
        scheme=BondAverage(),
    ),
    jnp.float32,
)  # fmt: skip
x, y = np.asarray(sheet.nodes)[:, :2].T
pulse = dict(strength=0.6, duration=2.0, dtype=jnp.float32)
pacing = Pacing((
    stimulate(x < 2.0, **pulse),
    stimulate((x < SIDE / 2) & (y < SIDE / 2), starts=S2, **pulse),
))  # fmt: skip
seen = run(sheet, DURATION, pacing, dt=0.1, record=Recorder(every=5.0, frames=True))

LAG = 4  # frames: a phase needs the voltage some time before
late = seen.t[LAG:] > S2 + 150.0
angle = delay_phase(seen.frames, LAG)[late]
loops = grid_loops((count, count))
frames = [singularities(frame, loops, sheet.nodes) for frame in angle]
tips = track(seen.t[LAG:][late], frames, reach=8.0, gap=2)
tips = [tip for tip in tips if tip.lifetime > 100.0]
turns = np.diff(seen.activations()[1:], axis=0)
print(f"{len(tips)} tips lived longer than 100 ms")
for tip in tips:
    told = (
        f"charge {tip.charge:+d}, {tip.lifetime:.0f} ms, path {tip.path_length:.0f} mm"
    )
    print(told)
if tips:
    extent = (0.0, SIDE, 0.0, SIDE)
    print("Picture:", tip_trajectories(tips, "10_spiral_wave.png", extent=extent))
    print(
        f"Answer: yes. It turns once in {np.nanmedian(turns):.0f} ms, and its tip "
        f"meanders by {max(tip.meander for tip in tips):.1f} mm."
    )
else:
    print("Answer: no. The wave of the second stimulus died; move S2 by a few ms.")
