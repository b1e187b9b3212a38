"""When is each part of this biventricle activated, and what is its ECG?

Activates a biventricle from root points through a fast endocardial layer (eikonal) and
computes the 12 leads of an action potential travelling along. A real heart (Cobiveco's
geometry 1) where $CORDAX_DATA holds it, else a generated one; for one of your own:
cordax ep run heart.vtu --fibres rule --sinus --eikonal --ecg -o heart
"""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import cordax
from cordax.reports.figures.electrophysiology import ecg_page
from physio.electrophysiology.anatomy.shapes import Biventricle
from physio.electrophysiology.anatomy.sinus_rhythm import sinus
from physio.electrophysiology.anatomy.ventricles import RV
from physio.electrophysiology.diffusion.conductivity import Conductivity, Membrane
from physio.electrophysiology.diffusion.grid import on_voxels
from physio.electrophysiology.eikonal import solve as eikonal
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.signals import ecg, ecg_measures, electrodes, electrograms
from physio.electrophysiology.voxels.voxelise import from_mesh

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SPACING = 2.0 if SMALL else 1.0  # mm
cordax.setup()

shared = Path(__file__).resolve().parents[2] / "shared" / "data"
data = Path(os.environ.get("CORDAX_DATA") or shared)
real = data / "biv_cobiveco" / "geo1_heart.vtp"
if real.exists() and not SMALL:
    heart = from_mesh(mesh_files.read(real, unit="mm"), SPACING)
else:
    heart = Biventricle().as_voxels(SPACING)
# Five root points of a healthy heart, and a fast layer beneath the endocardium
beat = sinus(heart)
heart, nodes = beat.rule.given(heart), heart.nodes
speeds = eikonal.Velocities(
    *(jnp.asarray(beat.velocity(v)) for v in (0.65, 0.25, 0.25))
)
sites = np.flatnonzero(beat.sites)
activation = eikonal.activation_times(heart, speeds, sites, 40.0 + beat.onset[sites])
total = float(jnp.nanmax(activation) - jnp.nanmin(activation))

torso = 0.22  # S/m, Keller 2010, 10.1109/TBME.2010.2046485: a torso's average
right = beat.rule.wall == RV
electrodes = electrodes.electrode_array(
    electrodes.place_electrodes(electrodes.heart_axes(nodes, ~right, right))
)
volumes = np.full(heart.n_node, SPACING**3)
operator = on_voxels(heart).operator(Membrane().diffusivity(Conductivity()))
weights = electrograms.voltage_weights(
    electrograms.lead_field(electrodes, nodes, volumes, torso), volumes, operator
)
t = jnp.arange(0.0, 500.0, 2.0)
# late muscle has the shorter action potential: an upright T wave
apd = 290.0 - 0.6 * (activation - jnp.nanmin(activation))
voltage = ecg.template_voltage(t, activation, apd)
leads = ecg.twelve_leads(voltage @ weights.T)
seen = ecg_measures.measure(t, leads)
print("Picture:", ecg_page(t, leads, "13_biventricle_ecg.png", cycle=800.0))
upright = [name for name in ("I", "V5", "V6") if seen.r[name] > abs(seen.s[name])]
print(
    f"Answer: the ventricles are activated within {total:.0f} ms, QRS lasts "
    f"{float(seen.qrs_duration):.0f} ms; of I, V5 and V6 R is upright in "
    f"{', '.join(upright) or 'none'}."
)
