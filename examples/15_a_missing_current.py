"""Which current does this cell lack, and is a tissue of it then right?

A ventricular cell is known but for its slow potassium current. The gate is read from a
blocked-current recording, the conductance learned from action potentials."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cordax
from learned import terms
from learned.training import Stage, train
from physio import set_to
from physio.electrophysiology import cells
from physio.electrophysiology.diffusion import Conductivity, full_grid
from physio.electrophysiology.tissue import Monodomain, Recorder, run, stimulate

SMALL = os.environ.get("CORDAX_EXAMPLE_SIZE") == "ci"
NODES, STEPS = (12, 500) if SMALL else (40, 6000)
INTERVALS = (1000.0, 400.0, 600.0, 500.0)  # ms; the last is held out
PACED: dict[str, Any] = dict(dt=0.05, step=cells.rush_larsen)
cordax.setup()
truth = cells.ten_tusscher_2006()
known = set_to("slow_rectifier", 0.0)(truth)

# the gate: sweeps from -80 and from 20 mV to many voltages, as a blocker shows them
t = np.arange(0.0, 3000.0, 20.0)
before = np.repeat((-80.0, 20.0), 14)[:, None]
v = np.where(t < 1500.0, before, np.tile(np.linspace(-90.0, 40.0, 14), 2)[:, None])
blocked = terms.voltage_clamp(truth, "i_ks", t, v)
gate = terms.gate_from_clamp("slow", blocked, powers=(2,)).gate

# what the known cell lacks along action potentials from rest, a sample per ms
y, beats, given = truth.initial_state(), [], []
for interval in INTERVALS:
    beats.append(cells.pace(truth, interval, 1, y0=y, save_every=0.05, **PACED))
    given.append(jnp.where(beats[-1].t[:-1] < 0.99, 52.0, 0.0))
    y = jax.tree.map(lambda x: x[-1], beats[-1].y)
voltage = jnp.concatenate([*(beat.y.v[:-1] for beat in beats), y.v[None]])
gated, stimulus = terms.gated(known, (gate,)), jnp.concatenate(given)
seen = terms.followed(gated, gated.initial_state(), voltage, stimulus, 0.05)
pulses = np.cumsum((0.0, *INTERVALS[:-1]))[:, None]
at = np.round((pulses + np.arange(10.0, 390.0)) / 0.05).astype(int)
data = {"x": seen.states.slow[at], "v": seen.states.v[at], "lacks": seen.missing[at]}
options: dict[str, Any] = dict(most=0.05, reversal=-86.0, key=jax.random.key(0))
born = terms.LearnedCurrent.of(gate, np.ravel(data["x"][:3]), **options)
found = train(
    born, np.zeros((4, 0)), data,
    lambda i, own, row, _: jnp.mean((row["lacks"] - i.at(row["x"], row["v"])) ** 2),
    ids=[f"{x:g} ms" for x in INTERVALS], held_out=np.array([3]), key=jax.random.key(0),
    stages=(Stage(STEPS, 5e-3), Stage(STEPS // 3, 1e-3)), trained=lambda i: i.trained(),
)  # fmt: skip
hybrid = terms.with_current(known, (gate,), found.shared)
print("            at 350 ms: APD90 (ms)   error (mV)   strip: mm/ms   APD90 (ms)")
strip = full_grid((NODES, 2), 0.25)
where = np.asarray(strip.nodes)[:, 0]
pulse = stimulate(where < 1.0, duration=2.0)
record = Recorder(probes=(2 * (NODES // 2), 2 * (NODES - 3)))
last, true = {}, None
for name, cell in {"truth": truth, "without it": known, "hybrid": hybrid}.items():
    beat = cells.pace(cell, 350.0, 6, **PACED)
    true = beat.y.v if true is None else true
    error = jnp.sqrt(jnp.mean((beat.y.v - true) ** 2))
    tissue = Monodomain(cell, strip, Conductivity())
    wave = run(tissue, 600.0, pulse, dt=0.02, record=record)
    near, far = (cells.action_potential(wave.probe_t, v) for v in wave.probes.T)
    velocity = np.diff(where[list(record.probes)])[0] / float(far.start - near.start)
    apd, last[name] = cells.action_potential(beat.t, beat.y.v).apd90, near.apd90
    print(f"{name:12} {apd:20.0f} {error:12.2f} {velocity:14.3f} {last[name]:12.0f}")
late, lack = (last["without it"] - last[name] for name in ("hybrid", "truth"))
print(f"Answer: an outward current that reverses at {found.shared.reversal:.0f} mV;")
print(f"it ends the strip's beat {late:.0f} ms earlier, the true one {lack:.0f} ms.")
