"""How large must a ventricular septal defect be to matter?

Opens a hole between the ventricles of a healthy man and reports the ratio of
pulmonary to systemic flow, Qp/Qs, and what the shunt does to both sides; all sizes
run as one batch.
"""

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt

import cordax
from physio import replace, settle
from physio.hemodynamics.indices.beat import beat_mean, summarize
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import septal_defect
from physio.periodic import periodic_beat

cordax.setup()

# Qp/Qs from which closure is advised: Baumgartner 2021, 10.1093/eurheartj/ehaa554
LIMIT = 1.5
heart = septal_defect(0.0)(named_state("healthy_man"))
areas = jnp.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0])  # cm^2


@eqx.filter_jit
def run(area):
    """Qp/Qs, systemic output, pulmonary and wedge pressure, LV volume at one size."""
    periodic = settle(replace(heart, "septal_defect.area", area))
    beat = periodic_beat(periodic)
    seen = summarize(beat, periodic.system)
    lungs = beat_mean(beat.t, beat.observed.flow["pulmonary_valve"])
    body = beat_mean(beat.t, beat.observed.flow["aortic_valve"])
    names = ("cardiac_output", "pulmonary_mean_pressure", "wedge_pressure")
    volume = seen["lv_end_diastolic_volume"]
    return (lungs / body, *(seen[name] for name in names), volume, periodic.ok)


ratio, output, pulmonary, wedge, volume, ok = eqx.filter_vmap(run)(areas)
print("area (cm2)   Qp/Qs   output (L/min)   PAP (mmHg)   wedge (mmHg)   LVEDV (mL)")
for row in zip(areas, ratio, output, pulmonary, wedge, volume, ok, strict=True):
    *numbers, good = (float(x) for x in row)
    told = "{:10.2f}   {:5.2f}   {:14.1f}   {:10.1f}   {:12.1f}   {:10.0f}"
    print(told.format(*numbers) + ("" if good else "   no periodic beat"))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.plot(areas, ratio, "o-")
left.axhline(LIMIT, color="k", linewidth=0.8, label="closure advised")
left.set(xlabel="Area of the defect (cm²)", ylabel="Qp/Qs")
left.legend()
right.plot(areas, pulmonary, "o-", label="pulmonary mean pressure")
right.plot(areas, wedge, "o-", label="wedge pressure")
right.set(xlabel="Area of the defect (cm²)", ylabel="Pressure (mmHg)")
right.legend()
figure.savefig("07_ventricular_septal_defect.png", dpi=150)
print("Picture: 07_ventricular_septal_defect.png")
size = float(jnp.interp(LIMIT, ratio, areas))
print(
    f"Answer: Qp/Qs passes {LIMIT} at {size:.2f} cm², where the left ventricle, which "
    f"pumps the shunt, has grown from {float(volume[0]):.0f} to "
    f"{float(jnp.interp(size, areas, volume)):.0f} mL."
)
