"""A current that the model lacks, found from action potentials: the cell's recovery.

    python benchmarks/recover_cell.py [--seeds N] [--json]

Truth: ten Tusscher 2006, epicardial, five conductances and g_Ks each off by a factor
of its own (lognormal, sd 0.15). The model lacks I_Ks. Observed: the voltage (20 kHz,
noise of 0.1 mV) at four pacing periods from the published start, one of them held out
for stopping, and I_Ks under voltage clamp with a blocker. Chosen by its size before any
training: this current takes 200 ms off the action potential at 1 Hz. Protocols,
network, penalties and stages were fixed on cell 1, which is not among those scored.

What is matched: the hidden states are driven along the recorded voltage, which gives
the current that the cell lacks, bin by bin, and the way back to it is a regression.
The refitted cell is calibrated to the voltages themselves, by least squares over whole
action potentials, as it has no current to match.
"""

# pyright: reportArgumentType=false
# scipy's stubs do not know that a Jacobian may be a function.

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cordax  # noqa: E402 (after the path)
from benchmarks.pages import Section, table  # noqa: E402
from learned.blocks.ranges import Range  # noqa: E402
from learned.terms.clamp import (  # noqa: E402
    ClampRecord,
    followed,
    gate_from_clamp,
    voltage_clamp,
)
from learned.terms.ion_channel import (  # noqa: E402
    LearnedCurrent,
    LearnedGate,
    gated,
    outward,
    with_current,
)
from learned.terms.residual import neural_residual  # noqa: E402
from learned.training.loop import Stage, train  # noqa: E402
from learned.training.penalties import orthogonality  # noqa: E402
from physio.compose import augment  # noqa: E402
from physio.electrophysiology.cells import (  # noqa: E402
    action_potential,
    rush_larsen,
    ten_tusscher_2006,
)
from physio.electrophysiology.cells.cell import changed  # noqa: E402
from physio.electrophysiology.diffusion.conductivity import Conductivity  # noqa: E402
from physio.electrophysiology.diffusion.grid import full_grid  # noqa: E402
from physio.electrophysiology.tissue.monodomain import Monodomain  # noqa: E402
from physio.electrophysiology.tissue.pacing import stimulate  # noqa: E402
from physio.electrophysiology.tissue.recording import Recorder  # noqa: E402
from physio.electrophysiology.tissue.recording import run as tissue_run  # noqa: E402
from physio.parameters import get, replace  # noqa: E402

DT = 0.05  # ms, of truth and model alike; a rush_larsen step
NOISE = 0.1  # mV
DURATION = 4000.0  # ms of each recording
TRAINED, HELD = (1000.0, 600.0, 400.0), 800.0  # pacing periods, ms
#: what is free beside the current, and how far a cell is from the published one
SEEDS = (11, 12, 13, 14, 15)
PAUSES = (340.0, 380.0, 450.0, 550.0, 800.0)  # S1-S2, ms
GAP = 600.0  # ms between two beats of the strip
FAST = (350.0, 375.0, 450.0, 500.0)  # ms
KINDS = ("hybrid", "unpenalised", "plain")
LABELS = {
    "truncated": "without the current, true conductances",
    "refitted": "without it, refitted",
    "more": "the true cell with 2 % more of the current",
    "hybrid": "learned current",
    "unpenalised": "the same without penalties",
    "plain": "a network of V and gate in place of the law",
}
GATE, CLAMP_SEED = "slow", 99
FREE = (
    "rapid_rectifier",
    "calcium",
    "transient_outward",
    "inward_rectifier",
    "sodium_pump",
)
SPREAD = 0.15
MISSING = "slow_rectifier"
HIDDEN = (8, 8)
MOST_CONDUCTANCE, MOST_CURRENT = 0.05, 4.0  # mS/uF, uA/uF: the networks' bounds
WINDOW = 400  # ms
BIN, UPSTROKE = 2, 10  # ms: means of what is missing; left out after a pulse
ROUNDS, STAGES = 3, (Stage(600, 1e-2), Stage(300, 2e-3))  # of the regression
HELD_LANE = len(TRAINED)
CURRENTS = ("i_kr", "i_cal", "i_to", "i_k1", "i_nak")  # of FREE
PRIOR, NORM, ORTHOGONAL = 1e-4, 1e-5, 1e-5  # weights beside (mV / 10)^2

PER_MS = round(1.0 / DT)


def pulses(cell: Any, times: Any, duration: float) -> np.ndarray:
    """The stimulus (uA/uF) during every step; pulses begin at ``times`` (ms)."""
    strength, width = cell.stimulus
    given = np.zeros(round(duration / DT))
    for time in np.asarray(times):
        first = round(time / DT)
        given[first : first + round(width / DT)] = strength
    return given


def _stacked(protocols: list[np.ndarray]) -> np.ndarray:
    longest = max(map(len, protocols))
    return np.stack([np.pad(p, (0, longest - len(p))) for p in protocols], axis=1)


@eqx.filter_jit
def run(cell: Any, stimulus: Any) -> Any:
    """The voltage (n_t, n_lane) from the cell's start, at every step."""
    lanes = stimulus.shape[1]
    y = jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes,)), cell.initial_state())

    def step(y: Any, given: Any) -> tuple[Any, Any]:
        return rush_larsen(cell, y, jnp.zeros_like(y.v), given, DT), y.v

    last, v = jax.lax.scan(step, y, stimulus)
    return jnp.concatenate([v, last.v[None]])


class Case(NamedTuple):
    """One cell to be recovered: the truth, and what was recorded of it."""

    truth: Any
    factors: np.ndarray
    periods: tuple[float, ...]
    stimulus: np.ndarray
    voltage: np.ndarray


def case(seed: int, *, missing: bool = True) -> Case:
    """A cell off the published one, and its noisy recordings, the held-out one last."""
    rng = np.random.default_rng(seed)
    factors = np.exp(SPREAD * rng.standard_normal(len(FREE) + 1))
    truth = scaled(ten_tusscher_2006(), jnp.log(factors[:-1]))
    if missing:
        truth = replace(truth, MISSING, get(truth, MISSING) * factors[-1])
    periods = (*TRAINED, HELD)
    stimulus = _stacked(
        [pulses(truth, np.arange(0.0, DURATION, p), DURATION) for p in periods]
    )
    v = np.asarray(run(truth, jnp.asarray(stimulus)))
    noisy = v + NOISE * rng.standard_normal(v.shape)
    return Case(truth, factors[:-1], periods, stimulus, noisy)


def scaled(cell: Any, logs: Any) -> Any:
    """The cell with its free conductances multiplied by exp(logs)."""
    for k, name in enumerate(FREE):
        cell = replace(cell, name, get(cell, name) * jnp.exp(logs[k]))
    return cell


class Hybrid(eqx.Module):
    """What is trained: factors of the free conductances, and a learned current."""

    logs: Any
    cell: Any

    def whole(self) -> Any:
        """The cell with both."""
        base = scaled(self.cell.base.base, self.logs)
        return eqx.tree_at(lambda c: c.base.base, self.cell, base)


def trained(model: Hybrid) -> tuple[Any, ...]:
    """What moves: the factors, the network and where its current reverses."""
    found = model.cell.correction
    if isinstance(found, LearnedCurrent):
        return model.logs, *found.trained()
    return model.logs, found.network.weights, found.network.biases


def clamp_record(rng: np.random.Generator) -> ClampRecord:
    """The published cell's I_Ks under voltage clamp, as a blocker shows it.

    Steps from -80 mV to -50 ... 45 mV and back to -50 mV; steps from 20 mV to -90 ...
    45 mV. A sample every 10 ms, noise of 0.05 uA/uF.
    """
    cell = ten_tusscher_2006()
    t = np.arange(0.0, 6000.0, 10.0)
    steps = np.arange(-50.0, 46.0, 9.5), np.arange(-90.0, 46.0, 4.5)
    up = [np.where(t < 100, -80.0, np.where(t < 4000, v, -50.0)) for v in steps[0]]
    down = [np.where(t < 100, -80.0, np.where(t < 2600, 20.0, v)) for v in steps[1]]
    v = np.array(up + down)
    record = voltage_clamp(cell, "i_ks", t, v)
    noise = 0.05 * rng.standard_normal(v.shape)
    return eqx.tree_at(lambda r: r.current, record, record.current + noise)


# --- training -------------------------------------------------------------------------
def starts_of(periods: tuple[float, ...]) -> list[tuple[int, float]]:
    """Windows, (recording, start in ms): at a middle and the last pulse that fit."""
    found = []
    for lane, period in enumerate(periods):
        beats = np.arange(0.0, DURATION - WINDOW + 1e-9, period)
        for k in (1, len(beats) // 2, len(beats) - 1):
            found.append((lane, beats[k]))
    return found


def along(model: Hybrid, made: Case) -> Any:
    """The cell without its learned current, driven along the recorded voltages."""
    cell = model.whole().base
    lanes = made.voltage.shape[1]
    y0 = jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes,)), cell.initial_state())
    return followed(cell, y0, jnp.asarray(made.voltage), jnp.asarray(made.stimulus), DT)


def samples(model: Hybrid, made: Case, seen: Any) -> dict[str, Any]:
    """What the cell lacks, by recording: means over bins of 2 ms.

    Bins in which a pulse's upstroke may fall are left out (weight 0).
    """
    per = BIN * PER_MS
    given = made.stimulus.reshape(-1, per, made.stimulus.shape[1]).max(axis=1) > 0
    busy = np.array(
        [given[max(0, k - UPSTROKE // BIN) : k + 1].any(axis=0)
         for k in range(len(given))]
    )  # fmt: skip
    states = jax.tree.map(lambda x: x[per // 2 : -1 : per], seen.states)
    currents = model.whole().base.currents(states)
    return {
        "missing": seen.missing.reshape(len(given), per, -1).mean(axis=1).T,
        "weight": jnp.asarray(~busy, float).T,
        "x": states.slow.T,
        "v": states.v.T,
        "known": jnp.stack([currents[name].T for name in CURRENTS], axis=-1),
        "logs": jnp.broadcast_to(model.logs, (given.shape[1], len(FREE))),
    }


def windows(made: Case, seen: Any) -> dict[str, Any]:
    """States at the windows' starts, stimulus and recorded voltage, one row each.

    The hidden states are those of the model driven along the recorded voltage.
    """
    rows = [(lane, round(t / DT)) for lane, t in starts_of(made.periods)]
    span = WINDOW * PER_MS
    return {
        "start": jax.tree.map(
            lambda x: jnp.stack([x[k, lane] for lane, k in rows]), seen.states
        ),
        "stimulus": np.stack(
            [made.stimulus[k : k + span, lane].reshape(WINDOW, PER_MS)
             for lane, k in rows]
        ),
        "voltage": np.stack(
            [made.voltage[k + PER_MS : k + span + 1 : PER_MS, lane]
             for lane, k in rows]
        ),
    }  # fmt: skip


def voltages(cell: Any, row: Any) -> Any:
    """The voltage after every ms of a window."""

    def step(y: Any, given: Any) -> tuple[Any, None]:
        return rush_larsen(cell, y, jnp.zeros_like(y.v), given, DT), None

    def one(y: Any, given: Any) -> tuple[Any, Any]:
        y = jax.lax.scan(step, y, given)[0]
        return y, y.v

    return jax.lax.scan(one, row["start"], row["stimulus"])[1]


def lacking(model: Hybrid, own: Any, row: Any, horizon: int) -> Any:
    """Mean square of what the cell still lacks along a recording (uA/uF)^2."""
    factors = jnp.exp(model.logs - row["logs"]) - 1.0
    left = row["missing"] - row["known"] @ factors - added(model, row)
    return jnp.mean(row["weight"] * left**2)


def added(model: Hybrid, row: Any) -> Any:
    """The learned current (uA/uF) at a recording's samples."""
    state = _Sample(row["v"], row["x"])
    cell = model.whole()
    return cell.correction.value(cell.base, jnp.nan, state, None).reshape(
        row["v"].shape
    )


class _Sample(eqx.Module):
    v: Any
    slow: Any


def penalty(model: Hybrid, own: Any, data: Any) -> Any:
    """Smallness, and no overlap with what the free conductances explain already."""
    effect = jax.vmap(lambda row: added(model, row))(data).ravel()
    share = orthogonality(effect, data["known"].reshape(-1, len(FREE)))
    return NORM * jnp.mean(effect**2) + ORTHOGONAL * share + prior(model, own, data)


def prior(model: Hybrid, own: Any, data: Any) -> Any:
    """The free conductances' own: no network can go on without it."""
    return PRIOR * jnp.sum(model.logs**2)


def refit(made: Case, start: Hybrid, frozen: bool = True) -> Hybrid:
    """The free conductances of a cell calibrated alone, by least squares.

    Voltages of the training windows; the hidden states are found anew twice.
    """
    kept = [
        k for k, (lane, _) in enumerate(starts_of(made.periods)) if lane < HELD_LANE
    ]
    for _ in range(2):
        rows = jax.tree.map(
            lambda x: jnp.asarray(x)[jnp.asarray(kept)],
            windows(made, along(start, made)),
        )

        def wrong(logs: np.ndarray, rows: Any = rows, start: Hybrid = start) -> Any:
            return np.asarray(_wrong(jnp.asarray(logs), start, rows))

        def slope(logs: np.ndarray, rows: Any = rows, start: Hybrid = start) -> Any:
            return np.asarray(_slope(jnp.asarray(logs), start, rows))

        bound = np.full(len(FREE), np.log(4.0))
        found = least_squares(
            wrong, np.asarray(start.logs), slope, (-bound, bound), max_nfev=15
        )
        start = eqx.tree_at(lambda m: m.logs, start, jnp.asarray(found.x))
    return start


@eqx.filter_jit
def _wrong(logs: Any, model: Hybrid, rows: Any) -> Any:
    base = eqx.tree_at(lambda m: m.logs, model, logs).whole().base
    run = jax.vmap(lambda row: (voltages(base, row) - row["voltage"]) / 10.0)
    error = run(rows).ravel() / np.sqrt(rows["voltage"].size)
    return jnp.append(error, np.sqrt(PRIOR) * logs)


@eqx.filter_jit
def _slope(logs: Any, model: Hybrid, rows: Any) -> Any:
    return jax.jacfwd(lambda z: _wrong(z, model, rows))(logs)


def regressed(made: Case, model: Hybrid, seed: int, penalised: bool) -> Hybrid:
    """Residual and physics from what the cell lacks along the recordings."""
    for _ in range(ROUNDS):
        rows = samples(model, made, along(model, made))
        model = train(
            model, np.zeros((len(made.periods), 0)), rows, lacking,
            ids=[f"{p:g}" for p in made.periods], held_out=np.array([HELD_LANE]),
            stages=STAGES, judge_every=10, key=jax.random.key(seed),
            penalty=penalty if penalised else prior, trained=trained,
        ).shared  # fmt: skip
    return model


def newborn(gate: LearnedGate, made: Case, seed: int, kind: str) -> Hybrid:
    """A published cell with a learned current that adds nothing yet.

    It lacks I_Ks unless ``kind`` is complete; plain is a network of V and gate.
    """
    known = ten_tusscher_2006()
    if kind != "complete":
        known = replace(known, MISSING, 0.0)
    cell = gated(known, (gate,))
    seen = along(Hybrid(jnp.zeros(len(FREE)), augment(cell, None, minus)), made)
    x, v = (
        np.asarray(s[:, :HELD_LANE]).ravel() for s in (seen.states.slow, seen.states.v)
    )
    key = jax.random.key(seed)
    if kind != "plain":
        current = LearnedCurrent.of(
            gate, x, most=MOST_CONDUCTANCE, reversal=-86.0, key=key, hidden=HIDDEN
        )
        return Hybrid(jnp.zeros(len(FREE)), with_current(known, (gate,), current))
    range_ = Range.of(("state.v", "state.slow"), ("mV", "1"), np.stack([v, x], axis=1))
    free = neural_residual(
        range_, {"current": ("uA/uF", MOST_CURRENT)}, key=key, hidden=HIDDEN
    )
    return Hybrid(jnp.zeros(len(FREE)), augment(cell, free, minus))


def minus(current: Any) -> dict[str, Any]:
    """The network's current as a tangent."""
    return outward(current[0])


# --- what is scored -------------------------------------------------------------------
def protocols(cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stimuli (n_step, n_lane) never trained on, what is scored, and which is S1-S2.

    S1-S2: three beats at 700 ms and one pulse after a pause, scored from that pulse
    on. Fast pacing from rest, scored throughout.
    """
    trains = [[0.0, 700.0, 1400.0, 1400.0 + pause] for pause in PAUSES]
    trains += [np.arange(0.0, DURATION, period) for period in FAST]
    given = _stacked([pulses(cell, times, DURATION) for times in trains])
    scored = np.ones((given.shape[0] + 1, len(trains)), bool)
    for lane, pause in enumerate(PAUSES):
        scored[: round((1400.0 + pause) / DT), lane] = False
    return given, scored, np.arange(len(trains)) < len(PAUSES)


def errors(cell: Any, made: Case) -> dict[str, float]:
    """Root mean square errors (mV) of the voltage, free runs from the start."""
    given, scored, paused = protocols(made.truth)
    wrong = run(cell, jnp.asarray(given)) - run(made.truth, jnp.asarray(given))
    wrong = np.where(np.isfinite(wrong), wrong, 100.0)

    def rms(lanes: np.ndarray) -> float:
        return float(np.sqrt(np.mean(wrong[:, lanes][scored[:, lanes]] ** 2)))

    return {"all": rms(paused | ~paused), "s1s2": rms(paused), "fast": rms(~paused)}


def away(model: Hybrid, made: Case) -> float:
    """How far the free conductances are from the truth's, the worst (%)."""
    return float(
        100 * np.max(np.abs(np.exp(np.asarray(model.logs)) / made.factors - 1))
    )


def inside(model: Hybrid, made: Case) -> float:
    """Share (%) of the scored samples at which the gate lies in its trained range."""
    given, scored, _ = protocols(made.truth)
    v = run(made.truth, jnp.asarray(given))
    lanes = v.shape[1]
    cell = model.whole()
    y0 = jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes,)), cell.initial_state())
    seen = followed(cell.base, y0, v, jnp.asarray(given), DT)
    within = cell.within(jnp.zeros(()), seen.states, None)
    return float(100 * np.mean(np.asarray(within)[scored] > 0.99))


def one_seed(gate: LearnedGate, seed: int, *, kinds: Any = KINDS) -> dict[str, Any]:
    """A cell recovered by every kind of model: errors, physics, the models."""
    made = case(seed)
    born = newborn(gate, made, seed, "law")
    truncated = eqx.tree_at(
        lambda m: m.logs, born, jnp.log(jnp.asarray(made.factors))
    ).whole().base  # fmt: skip
    physics = refit(made, born)
    models = {"refitted": physics}
    more = replace(made.truth, MISSING, 1.02 * get(made.truth, MISSING))
    found: dict[str, Any] = {
        "truncated": errors(truncated, made),
        "more": errors(more, made),
        "refitted": errors(physics.whole().base, made),
    }
    for kind in kinds:
        start = newborn(gate, made, seed, "plain" if kind == "plain" else "law")
        start = eqx.tree_at(lambda m: m.logs, start, physics.logs)
        penalised = kind == "hybrid"
        model = regressed(made, start, seed, penalised)
        models[kind] = model
        found[kind] = errors(model.whole(), made)
        found[kind] |= {"physics": away(model, made), "inside": inside(model, made)}
    found["refitted"]["physics"] = away(physics, made)
    return {"errors": found, "models": models, "case": made}


def gate_errors(gate: LearnedGate) -> dict[str, float]:
    """Worst errors of a gate over the voltages of action potentials.

    Time constant (%) and steady state, -85 to 40 mV, against the published ones.
    """
    cell = ten_tusscher_2006()
    v = jnp.linspace(-85.0, 40.0, 251)
    true = cell.gates(changed(cell.initial_state(), v=v))["xs"]
    ratio = gate.tau(v) / true.tau
    return {
        "time_constant_percent": float(100 * jnp.max(jnp.abs(ratio - 1))),
        "steady": float(jnp.max(jnp.abs(gate.steady(v) - true.steady))),
    }  # fmt: skip


def complete(gate: LearnedGate, seed: int) -> dict[str, float]:
    """Nothing is missing: what a learned current adds to the refitted model's error."""
    made = case(seed, missing=False)
    born = newborn(gate, made, seed, "complete")
    physics = refit(made, born)
    start = eqx.tree_at(lambda m: m.logs, born, physics.logs)
    model = regressed(made, start, seed, True)
    alone = errors(physics.whole().base, made)["all"]
    return {"base_mv": alone, "hybrid_mv": errors(model.whole(), made)["all"]}


def strip(cell: Any) -> dict[str, float]:
    """Velocity (mm/ms) and APD90 (ms) of two beats 600 ms apart in a strip of 12 mm."""
    grid = full_grid((49, 2), 0.25)
    tissue = Monodomain(cell, grid, Conductivity())
    x = np.asarray(tissue.nodes)[:, 0]
    pulse = stimulate(x < 1.0, starts=[0.0, GAP], duration=2.0, strength=52.0)
    nodes = tuple(int(np.argmin(np.abs(x - at))) for at in (4.0, 6.0, 8.0))
    seen = tissue_run(tissue, 2 * GAP, pulse, dt=0.02, record=Recorder(probes=nodes))
    out = {}
    for beat, start in (("first", 0.0), ("second", GAP)):
        part = (seen.probe_t >= start) & (seen.probe_t < start + GAP)
        t, v = seen.probe_t[part], seen.probes[part]
        figures = [action_potential(t, v[:, k], -85.0) for k in range(3)]
        out[f"velocity_{beat}"] = 4.0 / float(figures[2].start - figures[0].start)
        out[f"apd90_{beat}"] = float(figures[1].apd90)
    return out


def in_tissue(models: dict[str, Any], made: Case) -> dict[str, dict[str, float]]:
    """The strip with the true cell, without the current, refitted, and hybrid."""
    physics, hybrid = models["refitted"], models["hybrid"]
    return {
        "truth": strip(made.truth),
        "truncated": strip(replace(made.truth, MISSING, 0.0)),
        "refitted": strip(physics.whole().base.base),
        "hybrid": strip(hybrid.whole()),
    }


# --- sections -------------------------------------------------------------------------
def the_gate() -> LearnedGate:
    """The gate of every seed, read from one clamp and frozen."""
    return gate_from_clamp(GATE, clamp_record(np.random.default_rng(CLAMP_SEED))).gate


def _spread(values: list[float]) -> str:
    return f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def recovery(
    seeds: tuple[int, ...] = SEEDS, progress: Callable[[Any], None] = lambda told: None
) -> tuple[Section, dict[str, Any]]:
    """Every seed, its table, and the first seed's models."""
    gate, found, kept = the_gate(), [], {}
    for seed in seeds:
        made = one_seed(gate, seed)
        found.append(made["errors"])
        kept = kept or made
        progress({seed: made["errors"]})
    return recovery_section(found, gate_errors(gate)), kept


def recovery_section(found: list[dict[str, Any]], gate: dict[str, float]) -> Section:
    """Rows and lines from the errors of every seed."""

    def share(kind: str, of: str, part: str = "all") -> list[float]:
        return [100 * f[kind][part] / f[of][part] for f in found]

    got = {
        "hybrid-cell-recovery": {
            "seeds": len(found),
            "of_truncated_percent": float(np.median(share("hybrid", "truncated"))),
            "of_refitted_percent": float(np.median(share("hybrid", "refitted"))),
            "worst_of_refitted_percent": max(share("hybrid", "refitted")),
        },
        "hybrid-cell-gate": gate,
    }
    rows = [
        [
            LABELS[kind], _spread([f[kind]["all"] for f in found]),
            _spread(share(kind, "truncated")), _spread(share(kind, "refitted")),
            _spread(share(kind, "refitted", "s1s2")),
            _spread(share(kind, "refitted", "fast")),
            _spread([f[kind]["physics"] for f in found]) if "physics" in found[0][kind]
            else "",
        ]
        for kind in ("truncated", "refitted", "more", *KINDS)
    ]  # fmt: skip
    header = ["", "voltage (mV)", "of truncated (%)", "of refitted (%)", "S1-S2 (%)",
              "fast (%)", "conductances (%)"]  # fmt: skip
    within = min(f["hybrid"]["inside"] for f in found)
    lines = [
        f"{len(found)} cells, each with its own conductances, noise and network: "
        "median (range) of the error of free runs from rest over "
        f"S1-S2 ({', '.join(f'{p:g}' for p in PAUSES)} ms after 700) and pacing at "
        f"{', '.join(f'{p:g}' for p in FAST)} ms, none trained on; the gate lies in "
        f"its trained range in at least {within:.1f} % of what is scored. Last column: "
        "the free conductance furthest from the truth. The gate is frozen from a "
        "blocked-current recording: time constants within "
        f"{gate['time_constant_percent']:.2g} %.",
        "",
        *table(header, rows),
    ]
    return got, lines


def tissue_section(found: dict[str, dict[str, float]]) -> Section:
    """The strip's table; what of the current's effect the hybrid brings back."""
    true, hybrid, names = found["truth"], found["hybrid"], list(found["truth"])
    slow = [100 * abs(hybrid[k] / true[k] - 1) for k in names if k[:3] == "vel"]
    late = [abs(hybrid[k] - true[k]) for k in names if k[:3] == "apd"]
    got = {"hybrid-cell-tissue": {"velocity_percent": max(slow), "apd90_ms": max(late)}}
    rows = [[kind, *(f"{row[k]:.4g}" for k in names)] for kind, row in found.items()]
    lines = [
        "A strip of 12 mm, 0.25 mm apart, two beats 600 ms apart: velocity (mm/ms) and "
        "APD90 (ms) of each.",
        "",
        *table(["", *names], rows),
    ]
    return got, lines


def lose_section(found: dict[str, float]) -> Section:
    """What is added where nothing is missing."""
    more = found["hybrid_mv"] - found["base_mv"]
    lines = [
        "A complete model, refitted, and the same with a learned current: error "
        f"{found['base_mv']:.3g} and {found['hybrid_mv']:.3g} mV.",
        "",
    ]
    return {"hybrid-cell-lose": {**found, "added_mv": more}}, lines


def current(
    seeds: tuple[int, ...] = SEEDS, progress: Callable[[Any], None] = lambda told: None
) -> Section:
    """Everything, as one section."""
    (got, lines), kept = recovery(seeds, progress)
    for part, page in (
        tissue_section(in_tissue(kept["models"], kept["case"])),
        lose_section(complete(the_gate(), seeds[0])),
    ):
        got |= part
        lines += ["", *page]
    return got, lines


def main() -> None:
    parser = argparse.ArgumentParser(description="A missing current, found again.")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cordax.setup()
    got, lines = current(
        SEEDS[: asked.seeds], lambda told: print(told, file=sys.stderr, flush=True)
    )
    print(json.dumps(got) if asked.json else "\n".join(lines))


if __name__ == "__main__":
    main()
