"""How fast does a wave travel on my mesh, and what makes it as fast as I want?

Sends a wave along a slab of tetrahedra with published conductivities, then tunes the
conductivities to 0.65 m/s along and 0.25 m/s across the fibres and sends it again.
"""

import os
import sys

import jax.numpy as jnp
import numpy as np

import cordax
from physio.electrophysiology.anatomy import Slab
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.diffusion import (
    BondAverage,
    Conductivity,
    SecondOrder,
    Velocities,
)
from physio.electrophysiology.mesh import describe
from physio.electrophysiology.mesh.formats import read
from physio.electrophysiology.tissue import (
    Monodomain,
    Recorder,
    as_dtype,
    run,
    stimulate,
)
from physio.electrophysiology.velocity import tune_mesh

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
cordax.setup(fuse=True)

# python 09_velocity_on_my_mesh.py heart.vtu takes your own mesh (with fibres)
EDGE = 0.5 if SMALL else 0.35  # mm
mesh = read(sys.argv[1]) if len(sys.argv) > 1 else Slab(14.0, 2.5, 1.5).as_mesh(EDGE)
wanted = Velocities(0.65, 0.25, 0.25)
cell = as_dtype(CorradoNiederer2016(), jnp.float32)
print(describe(mesh))


def speed(conductivity, scheme):
    """The velocity (m/s) along x, from activation times in the middle of the mesh."""
    tissue = Monodomain(cell, mesh, conductivity, scheme=scheme)
    tissue = as_dtype(tissue, jnp.float32)
    x = mesh.nodes[:, 0]
    end = x < x.min() + 1.5
    pacing = stimulate(end, strength=0.6, duration=2.0, dtype=jnp.float32)
    first = run(tissue, 60.0, pacing, dt=0.02, record=Recorder(every=5.0)).activation()
    middle = (x > np.quantile(x, 0.35)) & (x < np.quantile(x, 0.85))
    slope = np.polyfit(x[middle], first[middle], 1)[0]
    return 1 / slope if np.isfinite(first[middle]).all() else float("nan")


published = Conductivity()
tuned = tune_mesh(cell, wanted, mesh)
rows = {
    "published, second order": (published, SecondOrder()),
    "published, averaged current": (published, BondAverage()),
    "tuned, averaged current": (tuned.conductivity, BondAverage()),
}
print("conductivity                   along (mS/mm)   velocity (m/s)")
found = {name: speed(*row) for name, row in rows.items()}
for name, (conductivity, _) in rows.items():
    print(f"{name:28}   {float(conductivity.fibre):13.3f}   {found[name]:14.3f}")
off = ", ".join(f"{k} {v:.1%}" for k, v in tuned.errors.items())
print(f"Errors on blocks that were not tuned on: {off}")
print(
    f"Answer: {found['published, second order']:.2f} m/s as published; tuned, "
    f"{found['tuned, averaged current']:.2f} m/s where {wanted.fibre} is wanted."
)
