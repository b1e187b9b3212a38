"""How fast must a ventricular assist device turn to rest this failing heart?

Adds a rotary pump to a heart with reduced ejection fraction and sweeps its speed;
all speeds run as one batch.
"""

import equinox as eqx
import jax.numpy as jnp

import cordax
from physio import replace, settle
from physio.hemodynamics.indices.beat import beat_mean, summarize
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import lvad
from physio.periodic import periodic_beat

cordax.setup()

heart = named_state("hfref")
supported = lvad(8000.0)(heart)
speeds = jnp.array([6000.0, 7000.0, 8000.0, 9000.0, 10000.0])


@eqx.filter_jit
def run(speed):
    """Output, wedge pressure, end-diastolic volume and pump flow at one speed."""
    periodic = settle(replace(supported, "lvad.speed", speed))
    beat = periodic_beat(periodic)
    seen = summarize(beat, periodic.system)
    pump = beat_mean(beat.t, beat.observed.flow["lvad"]) * 0.06  # mL/s to L/min
    total = pump + seen["cardiac_output"]
    return total, pump, seen["wedge_pressure"], seen["lv_end_diastolic_volume"]


periodic = settle(heart)
before = summarize(periodic_beat(periodic), periodic.system)
print("speed (rpm)   flow (L/min)   through pump   wedge (mmHg)   EDV (mL)")
print(
    f"{'none':>11}   {float(before['cardiac_output']):12.1f}   {0:12.1f}   "
    f"{float(before['wedge_pressure']):12.1f}   "
    f"{float(before['lv_end_diastolic_volume']):8.0f}"
)
rows = eqx.filter_vmap(run)(speeds)
for speed, total, pump, wedge, volume in zip(speeds, *rows, strict=True):
    print(
        f"{float(speed):11.0f}   {float(total):12.1f}   {float(pump):12.1f}   "
        f"{float(wedge):12.1f}   {float(volume):8.0f}"
    )
enough = [float(s) for s, wedge in zip(speeds, rows[2], strict=True) if wedge < 15]
print(
    f"Answer: from {min(enough):.0f} rpm the wedge pressure is below 15 mmHg."
    if enough
    else "Answer: none of these speeds brings the wedge pressure below 15 mmHg."
)
