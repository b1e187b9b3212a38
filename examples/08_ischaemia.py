"""What does ischaemia do to the action potential?

Paces a human ventricular cell as it is, with the potassium outside raised as in acute
ischaemia, and with the sodium and calcium currents of acidosis lowered as well.
"""

import cordax
from cordax.reports.figures.electrophysiology import action_potentials
from physio import scale, set_to, then
from physio.electrophysiology.cells import ten_tusscher_2006
from physio.electrophysiology.cells.protocols import action_potential, pace

cordax.setup()

# Ten minutes after an occlusion: K 5.4 to 8-9 mM, I_Na and I_CaL to 75 % (Shaw and Rudy
# 1997, 10.1161/01.RES.81.5.742; ten Tusscher 2007's use of it)
CHANGES = {
    "healthy": then(),
    "potassium 9 mM": set_to("potassium_outside", 9.0),
    "and acidosis": then(
        set_to("potassium_outside", 9.0), scale("sodium", 0.75), scale("calcium", 0.75)
    ),
}
BEATS = 5

print("cell              rest (mV)   dV/dt (mV/ms)   peak (mV)   APD90 (ms)")
figures, curves = {}, {}
for name, change in CHANGES.items():
    beat = pace(change(ten_tusscher_2006()), 1000.0, BEATS, onset=20.0)
    seen = action_potential(beat.t, beat.y.v)
    curves[name] = beat.y.v
    figures[name] = {
        k: float(getattr(seen, k)) for k in ("rest", "upstroke", "peak", "apd90")
    }
    print("{:16}   {:8.1f}   {:13.0f}   {:9.1f}   {:10.0f}".format(
        name, *figures[name].values()
    ))  # fmt: skip
print("Picture:", action_potentials(beat.t, curves, "08_ischaemia.png"))
before, after = figures["healthy"], figures["and acidosis"]
print(
    f"Answer: the cell rests {after['rest'] - before['rest']:.0f} mV higher, which "
    f"leaves it {after['upstroke'] / before['upstroke']:.0%} of its upstroke, so that "
    f"it conducts worse, and its action potential is "
    f"{before['apd90'] - after['apd90']:.0f} ms shorter."
)
