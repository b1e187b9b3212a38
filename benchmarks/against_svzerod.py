"""cordax against svZeroDSolver's stored cases, and what is left once steps are short.

Every comparison returns {signal: difference}; :func:`compare_svzerod` all of them.
"""

import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import svzerod
from benchmarks.generalized_alpha import ALPHA_F, ReboundingDiode, generalized_alpha
from physio import march
from physio.hemodynamics import Circulation
from physio.hemodynamics.elements.inertial_valves import InertialDiode

Table = dict[str, dict[str, float]]
Signals = dict[str, np.ndarray]


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference over the range of ``theirs``; NaN counts as infinite."""
    worst = float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))
    return math.inf if math.isnan(worst) else worst / float(np.ptp(theirs))


def differences(ours: Signals, theirs: Signals) -> dict[str, float]:
    return {name: difference(ours[name], theirs[name]) for name in ours}


def case_of(folder: Path, name: str) -> tuple[dict[str, Any], Signals]:
    """A case, and its stored signals by name (and column, where it has several)."""
    case = json.loads((folder / f"{name}.json").read_text())
    stored = json.loads((folder / "results" / f"result_{name}.json").read_text())
    names = stored.pop("name")
    columns = [c for c in stored if c != "time"]
    signals = {}
    for label in dict.fromkeys(names.values()):
        rows = [row for row, given in names.items() if given == label]
        for column in columns:
            key = label if column == "y" else f"{label}.{column}"
            signals[key] = np.asarray([stored[column][row] for row in rows])
    return case, signals


def given_flow(
    folder: Path, name: str, model: Circulation, nearest: float
) -> dict[str, float]:
    """Signals of a case driven by a flow; ``nearest``: resistance after its vessel."""
    case, theirs = case_of(folder, name)
    beats = case["simulation_parameters"]["number_of_cardiac_cycles"]
    run = march(model, float(beats), dt=1e-3, save_every=5)
    flow = run.observed.flow["inflow"]
    first = next(iter(model.compartments))
    out = run.observed.pressure[first] + nearest * flow
    resistance = case["vessels"][0]["zero_d_element_values"]["R_poiseuille"]
    ours = {
        "flow_in": flow,
        "flow_out": flow,
        "pressure_in": out + resistance * flow,
        "pressure_out": out,
    }
    return differences(ours, {k: theirs[f"branch0_seg0.{k}"] for k in ours})


def compare_rcr(folder: Path) -> dict[str, float]:
    """Ten cycles of a given flow into a windkessel, from the first."""
    case, _ = case_of(folder, "pulsatileFlow_R_RCR")
    near = svzerod.boundary(case, "OUT")["Rp"]
    return given_flow(folder, "pulsatileFlow_R_RCR", svzerod.rcr(case), near)


def compare_coronary(folder: Path) -> dict[str, float]:
    """Thirty cycles of a given flow into coronary vessels, from the first."""
    case, _ = case_of(folder, "pulsatileFlow_R_coronary")
    near = svzerod.boundary(case, "OUT")["Ra1"]
    return given_flow(folder, "pulsatileFlow_R_coronary", svzerod.coronary(case), near)


def _at_middle(theirs: Signals) -> Signals:
    """Their signals at t + 2/3 dt of each of their steps.

    Only there do their unknowns without a rate, valve flows among them, satisfy the
    equations; the rows themselves overshoot where a valve turns (a status of 1.5).
    """
    share = ALPHA_F
    return {k: x[:-1] + share * (x[1:] - x[:-1]) for k, x in theirs.items()}


def _seen(model: Any, t: Any, y: Any) -> Any:
    return jax.vmap(lambda t, y: model.observe(t, y, None))(t, y)


def _inside(model: Circulation, beats: int, finer: int) -> Any:
    """States and observables in the last of some beats of 1 s by their scheme.

    ``finer`` (1, 10 or 100) steps for each of theirs; at :func:`_at_middle`'s times.
    """
    steps = 100 * finer
    _, y = generalized_alpha(model, 1.0, beats, steps)
    keep = round(ALPHA_F * (finer - 1)) + finer * np.arange(100)
    y = jax.tree.map(lambda x: x[keep], y)
    times = beats - 1.0 + (keep + ALPHA_F) / steps
    return y, _seen(model, jnp.asarray(times), y)


def compare_valve(folder: Path, finer: int = 1) -> dict[str, float]:
    """The fifth cycle of a given pressure through a tanh valve between vessels."""
    case, theirs = case_of(folder, "valve_tanh")
    _, seen = _inside(svzerod.valve(case), 5, finer)
    p, q = seen.pressure, seen.flow
    series = case["vessels"][1]["zero_d_element_values"]["R_poiseuille"]
    ours = {
        "flow:INLET:upstream_vessel": q["entry"],
        "pressure:INLET:upstream_vessel": p["inlet"],
        "flow:downstream_vessel:OUTLET": q["exit"],
        "pressure:downstream_vessel:OUTLET": p["downstream"],
        "flow:upstream_vessel:valve": q["valve"],
        "pressure:upstream_vessel:valve": p["upstream"],
        "flow:valve:downstream_vessel": q["valve"],
        "pressure:valve:downstream_vessel": p["downstream"] + series * q["valve"],
    }
    return differences(ours, _at_middle(theirs))


def compare_chamber(folder: Path, finer: int = 1) -> dict[str, float]:
    """The thirtieth cycle of a chamber between two tanh valves.

    It starts from their volume and pressure at the cycle's start: the chamber drifts
    by a part of its own range every cycle, from a start their steady solution moves.
    """
    case, theirs = case_of(folder, "chamber_elastance_inductor")
    volume = float(theirs["Vc:ventricle"][0])
    pressure = float(theirs["pressure:vessel:OUTLET"][0])
    y, seen = _inside(svzerod.chamber(case, volume, pressure), 1, finer)
    p, q = seen.pressure, seen.flow
    series = case["vessels"][0]["zero_d_element_values"]["R_poiseuille"]
    after = p["vessel"] + series * q["exit_valve"]
    before = after + y.connection["exit_valve"]["drop"]
    ours = {
        "flow:vessel:OUTLET": q["exit"],
        "pressure:vessel:OUTLET": p["vessel"],
        "flow:INLET:valve0": q["entry_valve"],
        "pressure:INLET:valve0": p["inlet"],
        "pressure:valve0:ventricle": p["ventricle"],
        "flow:ventricle:valve1": q["exit_valve"],
        "pressure:ventricle:valve1": before,
        "flow:valve1:vessel": q["exit_valve"],
        "pressure:valve1:vessel": after,
        "Vc:ventricle": seen.volume["ventricle"],
    }
    return differences(ours, _at_middle(theirs))


def _branches(case: dict[str, Any], seen: Any) -> Signals:
    """The four signals of every branch of a closed loop."""
    ours = {}
    for index, vessel in enumerate(case["vessels"]):
        out = svzerod.boundary(case, vessel["boundary_conditions"]["outlet"])
        flow = seen.flow[f"branch{index}"]
        near = out.get("Rp", out.get("Ra"))
        after = seen.pressure[f"branch{index}_arteries"] + near * flow
        shown = {
            "flow_in": flow,
            "flow_out": flow,
            "pressure_in": seen.pressure["aorta"],
            "pressure_out": after,
        }
        ours |= {f"{vessel['vessel_name']}.{k}": x for k, x in shown.items()}
    return ours


def loop_signals(case: dict[str, Any], steps: int) -> Signals:
    """The tenth cycle of a closed loop by their scheme, ``steps`` (99 k) a cycle."""
    cycle = case["closed_loop_blocks"][0]["cardiac_cycle_period"]
    model = svzerod.closed_loop(case, ReboundingDiode)
    y, _ = generalized_alpha(model, cycle, 10, steps)
    y = jax.tree.map(lambda x: x[:: steps // 99], y)
    times = cycle * (9.0 + jnp.linspace(0.0, 1.0, 100))
    return _branches(case, _seen(model, times, y))


def _our_signals(case: dict[str, Any], steps: int) -> Signals:
    """The same with our valves and our Runge-Kutta steps."""
    cycle = case["closed_loop_blocks"][0]["cardiac_cycle_period"]
    model = svzerod.closed_loop(case, InertialDiode)
    run = march(model, 10 * cycle, dt=cycle / steps, save_every=steps // 99)
    return _branches(case, jax.tree.map(lambda x: x[-100:], run.observed))


def compare_loop(folder: Path, name: str) -> dict[str, float]:
    """The tenth cycle of a closed loop at their 99 steps a cycle, by their scheme."""
    case, theirs = case_of(folder, f"closedLoopHeart_{name}")
    return differences(loop_signals(case, 99), theirs)


def converge_loop(folder: Path, name: str) -> dict[str, float]:
    """What is left between the two programs once steps are short.

    ``ours``: our valves and Runge-Kutta steps against their scheme at 40 times their
    steps; ``theirs``: the same fine run against what they stored.
    """
    case, stored = case_of(folder, f"closedLoopHeart_{name}")
    fine = loop_signals(case, 40 * 99)
    ours = _our_signals(case, 100 * 99)
    return {
        "ours": max(differences(ours, fine).values()),
        "theirs": max(differences(fine, stored).values()),
    }


def compare_svzerod(folder: Path) -> Table:
    """Every case of svZeroDSolver, at the steps it was stored with."""
    return {
        "rcr": compare_rcr(folder),
        "coronary": compare_coronary(folder),
        "chamber": compare_chamber(folder),
        "valve": compare_valve(folder),
        "closed-loop": compare_loop(folder, "singleVessel"),
        "closed-loop-coronaries": compare_loop(folder, "withCoronaries"),
    }


def converge_svzerod(folder: Path) -> Table:
    """:func:`converge_loop` of both closed loops."""
    names = {
        "closed-loop": "singleVessel", "closed-loop-coronaries": "withCoronaries"
    }  # fmt: skip
    return {key: converge_loop(folder, name) for key, name in names.items()}
