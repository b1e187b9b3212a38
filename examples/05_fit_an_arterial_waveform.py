"""How closely can a lumped heart follow a recorded arterial pulse?

Fits one mean beat of a real radial artery, measured in an anaesthetised patient, as
a whole waveform: the limb's transfer element and the clock of the recording are free.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

import calibration as cal
import cordax
from cordax.patients import find
from physio import get
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import heart_rate

cordax.setup()

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
SPREADS = {  # sd of the logarithm of each prior
    "systemic.resistance": 0.5,
    "systemic_arteries.compliance": 0.5,
    "aortic_root.compliance": 0.5,
    "left_ventricle.active_elastance": 0.5,
    "ventricles.contraction": 0.15,
    "ventricles.relaxation": 0.15,
    "systemic_veins.unstressed_volume": 0.1,
}

record = cordax.read(find("periop"))
beat = record.waveforms[0]
heart = heart_rate(record.heart_rate)(named_state("healthy_man", reflex=False))
limb = cal.Experiment(steps_per_beat=300)
wave = cal.Waveform(
    "pressure.systemic_arteries", beat.beat_time_s, beat.beat, 1.0, beat.period_s,
    site="radial", shift="clock",
)  # fmt: skip
numbers = (
    cal.Observation("cardiac_output", record.value("cardiac_output"), 0.85, "L/min"),
    cal.Observation("central_venous_pressure", 5.0, 1.0, "mmHg"),
)
free = [cal.Free(k, cal.LogNormal(get(heart, k), sd)) for k, sd in SPREADS.items()]
for name, sd in {"delay": 0.3, "reflection": 0.5}.items():
    name = f"transfers.radial.{name}"
    free.append(cal.Free(name, cal.LogNormal(get(limb, name), sd), of="experiment"))
# the recording starts at the foot of the pulse, about 0.15 s into a beat
free.append(cal.Free("clock", cal.Normal(-0.15, 0.05), of="nuisance", unit="s"))
space = cal.Space(tuple(free))
best = cal.fit(heart, space, (wave, *numbers), limb, starts=1 if SMALL else 6)
for name, value in best.physical.items():
    print(f"{name:36} {float(value):8.4g}   sd / prior {best.shrinkage[name]:.2f}")
print(*best.verdict)

fitted, measured = np.asarray(best.predictions[wave.label]), np.asarray(wave.values)
rmse = float(np.sqrt(np.mean((fitted - measured) ** 2)))
figure, (top, below) = plt.subplots(
    2, 1, sharex=True, figsize=(6, 5), height_ratios=(3, 1), layout="constrained"
)
top.plot(wave.t, measured, "k.", label="radial artery, mean of 85 beats")
top.plot(wave.t, fitted, label=f"fitted, RMSE {rmse:.1f} mmHg")
top.set(ylabel="Pressure (mmHg)", title="One beat")
top.legend()
below.axhline(0.0, color="k", linewidth=0.8)
below.plot(wave.t, fitted - measured)
below.set(xlabel="Time from the foot of the pulse (s)", ylabel="Misfit (mmHg)")
figure.savefig("05_fit_an_arterial_waveform.png", dpi=150)
print("Picture: 05_fit_an_arterial_waveform.png")
aorta = float(best.features["systolic_pressure"])
print(
    f"Answer: to {rmse:.1f} mmHg RMSE, {100 * rmse / np.ptp(measured):.0f} % of the "
    f"pulse. The wrist's {measured.max():.0f} mmHg are {aorta:.0f} in the aorta."
)
