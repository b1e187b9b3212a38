"""When is each part of this biventricle activated, and what is its ECG?

Activates a biventricle from root points through a fast endocardial layer (eikonal) and
computes the 12 leads of an action potential travelling along. Give a mesh with regions
1 left, 2 right and 3 septum to use your own: python 13_biventricle_ecg.py heart.vtu
"""

import os

import jax.numpy as jnp
import numpy as np

import cordax
from cordax.plot_ep import ecg_page
from physio.electrophysiology import ecg, eikonal, electrograms
from physio.electrophysiology.conductivity import Conductivity, Membrane
from physio.electrophysiology.hearts import Biventricle
from physio.electrophysiology.voxel_diffusion import on_voxels

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SPACING = 2.0 if SMALL else 1.0  # mm
cordax.setup()

heart = Biventricle().as_voxels(SPACING)
nodes = heart.nodes
endocardium = (heart.fields["lv_endo"] + heart.fields["rv_endo"]) > 0
# Muscle 0.65 and 0.25 m/s; the layer on the endocardium 1.79 m/s (Cardone-Noott 2016,
# 10.1093/europace/euw346)
speeds = eikonal.Velocities(
    jnp.where(endocardium, 1.79, 0.65), jnp.where(endocardium, 1.79, 0.25),
    jnp.where(endocardium, 1.79, 0.25),
)  # fmt: skip


def nearest(surface, point):
    """The node of a surface nearest to a point (mm)."""
    on = np.flatnonzero(heart.fields[surface])
    return on[np.argmin(np.linalg.norm(nodes[on] - point, axis=1))]


lv, rv = nodes[heart.fields["lv_endo"] > 0], nodes[heart.fields["rv_endo"] > 0]
low, high = lv.min(axis=0), lv.max(axis=0)
middle = 0.5 * (low + high)
deep = low[2] + 0.4 * (high[2] - low[2])
roots = [
    nearest("lv_endo", (high[0], 0.0, middle[2])),  # left septum
    nearest("lv_endo", (middle[0], high[1], deep)),  # anterior
    nearest("lv_endo", (middle[0], low[1], deep)),  # posterior
    nearest("rv_endo", (rv[:, 0].max(), 0.0, deep)),  # right free wall
    nearest("rv_endo", (rv[:, 0].min(), 0.0, deep)),  # right septum
]
activation = eikonal.activation_times(heart, speeds, jnp.asarray(roots), 40.0)
total = float(jnp.nanmax(activation) - jnp.nanmin(activation))

torso = 0.22  # S/m, Keller 2010, 10.1109/TBME.2010.2046485: a torso's average
right = heart.regions == 2
electrodes = ecg.electrode_array(
    ecg.place_electrodes(ecg.heart_axes(nodes, ~right, right))
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
seen = ecg.measure(t, leads)
print("Picture:", ecg_page(t, leads, "13_biventricle_ecg.png", cycle=800.0))
upright = [name for name in ("I", "V5", "V6") if seen.r[name] > abs(seen.s[name])]
print(
    f"Answer: the ventricles are activated within {total:.0f} ms, QRS lasts "
    f"{float(seen.qrs_duration):.0f} ms; of I, V5 and V6 R is upright in "
    f"{', '.join(upright) or 'none'}."
)
