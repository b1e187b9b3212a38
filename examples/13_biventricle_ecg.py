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
from cordax.reports.figures import ecg_page
from physio.electrophysiology import eikonal, signals
from physio.electrophysiology.anatomy import RV, Biventricle, sinus
from physio.electrophysiology.diffusion import (
    Conductivity,
    Membrane,
    Velocities,
    on_voxels,
)
from physio.electrophysiology.mesh import formats
from physio.electrophysiology.voxels import from_mesh

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SPACING = 2.0 if SMALL else 1.0  # mm
cordax.setup()

shared = Path(__file__).resolve().parents[2] / "shared" / "data"
data = Path(os.environ.get("CORDAX_DATA") or shared)
real = data / "biv_cobiveco" / "geo1_heart.vtp"
if real.exists() and not SMALL:
    heart = from_mesh(formats.read(real, unit="mm"), SPACING)
else:
    heart = Biventricle().as_voxels(SPACING)
# Five root points of a healthy heart, and a fast layer beneath the endocardium
beat = sinus(heart)
heart, nodes = beat.rule.given(heart), heart.nodes
speeds = Velocities(*(jnp.asarray(beat.velocity(v)) for v in (0.65, 0.25, 0.25)))
sites = np.flatnonzero(beat.sites)
activation = eikonal.activation_times(heart, speeds, sites, 40.0 + beat.onset[sites])
total = float(jnp.nanmax(activation) - jnp.nanmin(activation))

torso = 0.22  # S/m, Keller 2010, 10.1109/TBME.2010.2046485: a torso's average
right = beat.rule.wall == RV
electrodes = signals.electrode_array(
    signals.place_electrodes(signals.heart_axes(nodes, ~right, right))
)
volumes = np.full(heart.n_node, SPACING**3)
operator = on_voxels(heart).operator(Membrane().diffusivity(Conductivity()))
weights = signals.voltage_weights(
    signals.lead_field(electrodes, nodes, volumes, torso), volumes, operator
)
t = jnp.arange(0.0, 500.0, 2.0)
# late muscle has the shorter action potential: an upright T wave
apd = 290.0 - 0.6 * (activation - jnp.nanmin(activation))
voltage = signals.template_voltage(t, activation, apd)
leads = signals.twelve_leads(voltage @ weights.T)
seen = signals.measure(t, leads)
print("Picture:", ecg_page(t, leads, "13_biventricle_ecg.png", cycle=800.0))
upright = [name for name in ("I", "V5", "V6") if seen.r[name] > abs(seen.s[name])]
print(
    f"Answer: the ventricles are activated within {total:.0f} ms, QRS lasts "
    f"{float(seen.qrs_duration):.0f} ms; of I, V5 and V6 R is upright in "
    f"{', '.join(upright) or 'none'}."
)
