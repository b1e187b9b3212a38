"""What does a healthy heart do in one beat?

Settles the healthy man's circulation on its periodic beat, prints the clinic's
numbers beside their usual ranges, and draws pressures and the two loops.
"""

import cordax
from cordax.reports.figures import circulation as plot
from physio import settle
from physio.hemodynamics.indices.beat import UNITS, summarize
from physio.hemodynamics.loops.states import named_state
from physio.periodic import periodic_beat

cordax.setup()

USUAL = {
    "systolic_pressure": (90, 120),
    "diastolic_pressure": (60, 80),
    "central_venous_pressure": (1, 6),
    "pulmonary_mean_pressure": (11, 17),
    "wedge_pressure": (4, 12),
    "lv_end_diastolic_volume": (134, 198),
    "lv_ejection_fraction": (53, 63),
    "rv_end_diastolic_volume": (146, 218),
    "cardiac_index": (2.4, 4.0),
    "lv_dpdt_max": (1200, 1800),
}

heart = named_state("healthy_man")
periodic = settle(heart)
beat = periodic_beat(periodic)
indices = summarize(beat, periodic.system, body_surface_area=1.95)

print(f"Periodic to {float(periodic.residual):.0e} in {periodic.iterations} steps.")
inside = 0
for name, (low, high) in USUAL.items():
    value = float(indices[name])
    inside += low <= value <= high
    print(f"{name:28} {value:8.1f} {UNITS[name]:10} usual {low:g}-{high:g}")

picture = plot.beat_figure(beat, "01_healthy_heart.png")
print(f"Picture: {picture}")
print(
    f"Answer: {inside} of {len(USUAL)} numbers lie in their usual range; the left "
    f"ventricle ejects {float(indices['stroke_volume']):.0f} mL against "
    f"{float(indices['mean_pressure']):.0f} mmHg."
)
