"""cordax against other programs: the largest difference over each signal's range.

    python -m benchmarks.against_others [folder of real data]

Every function returns {case: {signal: difference}}; a difference is the largest one
between two runs over the peak-to-peak range of the other program's signal. Where the
references come from stands in the PROVENANCE.md beside them.
"""

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

from benchmarks.against_svzerod import (
    Signals,
    Table,
    compare_svzerod,
    converge_svzerod,
    differences,
)
from cordax.runtime import setup
from physio import Trajectory, get, replace, settle, simulate
from physio.hemodynamics import Circulation
from physio.hemodynamics.elements.smooth_valves import ArctanDiode
from physio.hemodynamics.indices.beat import beat_mean, summarize
from physio.hemodynamics.loops.korakianitis import korakianitis_shi, leaflet_valves
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.states import named_state
from physio.periodic import periodic_beat
from physio.stepping import STEPS_PER_BEAT
from physio.units import S_PER_MIN

PRINTED = 0.5e-3  # half a unit of the third decimal
REGAZZONI_STEPS = 8000  # a minimum at a valve's opening lies between two points


# --- Regazzoni 2022 ---------------------------------------------------------------
_REGAZZONI = {
    "LA": "left_atrium",
    "LV": "left_ventricle",
    "RA": "right_atrium",
    "RV": "right_ventricle",
    "AR_SYS": "systemic_arteries",
    "VEN_SYS": "systemic_veins",
    "AR_PUL": "pulmonary_arteries",
    "VEN_PUL": "pulmonary_veins",
}
_REGAZZONI_FLOWS = {
    "Q_AR_SYS": "systemic",
    "Q_VEN_SYS": "venous_return",
    "Q_AR_PUL": "pulmonary",
    "Q_VEN_PUL": "pulmonary_venous_return",
    "Q_MV": "mitral_valve",
    "Q_AV": "aortic_valve",
    "Q_TV": "tricuspid_valve",
    "Q_PV": "pulmonary_valve",
}


def _chambers(model: Circulation, parameters: Any) -> Circulation:
    for key in ("LA", "LV", "RA", "RV"):
        values, name = parameters[key], _REGAZZONI[key]
        model = replace(model, f"{name}.active_elastance", values["EA"])
        model = replace(model, f"{name}.passive_elastance", values["EB"])
        model = replace(model, f"{name}.unstressed_volume", values["V0"])
    for law, key in (("ventricles", "LV"), ("atria", "LA")):
        model = replace(model, f"{law}.contraction", parameters[key]["TC"])
        model = replace(model, f"{law}.relaxation", parameters[key]["TR"])
    beat = parameters["BPM"]
    ahead = (parameters["LV"]["tC"] - parameters["LA"]["tC"]) % 1.0
    model = replace(model, "rhythm.rate", beat)
    return replace(model, "rhythm.atrioventricular_delay", ahead * S_PER_MIN / beat)


def _paths(model: Circulation, parameters: Any) -> Circulation:
    for loop in ("SYS", "PUL"):
        for site in ("AR", "VEN"):
            path = _REGAZZONI_FLOWS[f"Q_{site}_{loop}"]
            vessel, values = _REGAZZONI[f"{site}_{loop}"], parameters[loop]
            model = replace(model, f"{path}.resistance", values[f"R_{site}"])
            model = replace(model, f"{path}.inertance", values[f"L_{site}"])
            model = replace(model, f"{vessel}.compliance", values[f"C_{site}"])
    return model


def _blood(model: Circulation, parameters: Any) -> Circulation:
    """The blood of the reference's start, shared out as there."""
    y0 = parameters["y0"]
    names = ("LA", "LV", "RA", "RV")
    volume = {_REGAZZONI[n]: v for n, v in zip(names, y0[:4], strict=True)}
    order = ("AR_SYS", "VEN_SYS", "AR_PUL", "VEN_PUL")
    for name, pressure in zip(order, y0[4:8], strict=True):
        vessel = model.compartments[_REGAZZONI[name]]
        volume[_REGAZZONI[name]] = float(get(vessel, "compliance")) * pressure
    for name, value in volume.items():
        model = replace(model, f"{name}.start_volume", value)
    return replace(model, "blood_volume", sum(volume.values()))


def _arctan(model: Circulation) -> Circulation:
    links = dict(model.connections)
    for name in ("mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve"):
        links[name] = ArctanDiode(links[name].source, links[name].target)
    return eqx.tree_at(lambda m: m.connections, model, links)


def regazzoni_case(parameters: Any, arctan: bool) -> Circulation:
    """The published loop with a parameter set of the reference, either valve."""
    model = _blood(_paths(_chambers(regazzoni(), parameters), parameters), parameters)
    return _arctan(model) if arctan else model


def compare_regazzoni(folder: Path, steps: int = REGAZZONI_STEPS) -> Table:
    """Minimum, maximum and mean of every signal of the limit cycle, over its range.

    No difference is what lies within half a unit of the reference's last decimal plus
    what its own last beat still changed (1e-6 for the published parameters, 3e-4 for
    its second set).
    """
    stored = json.loads((folder / "regazzoni_limit_cycle.json").read_text())
    table = {}
    for name, wanted in stored.items():
        if name == "parameters":
            continue
        case, valve = name.rsplit("_", 1)
        model = regazzoni_case(stored["parameters"][case], valve == "arctan")
        table[name] = against_extremes(model, wanted, steps)
    return table


def against_extremes(model: Circulation, wanted: Any, steps: int) -> dict[str, float]:
    """The periodic beat of a Regazzoni loop against [minimum, maximum, mean]."""
    periodic = settle(model, steps_per_beat=steps)
    beat = periodic_beat(periodic, steps_per_beat=steps)
    seen = beat.observed
    ours = {f"V_{k}": seen.volume[n] for k, n in list(_REGAZZONI.items())[:4]}
    ours |= {f"p_{k}": seen.pressure[n] for k, n in _REGAZZONI.items()}
    ours |= {k: seen.flow[n] for k, n in _REGAZZONI_FLOWS.items()}
    found = {}
    for name, signal in ours.items():
        low, high, mean = wanted[name]
        got = (jnp.min(signal), jnp.max(signal), beat_mean(beat.t, signal))
        apart = (float(abs(a - b)) for a, b in zip(got, (low, high, mean), strict=True))
        allowed = PRINTED + wanted["derived"]["beat_residual"]
        beyond = max(max(x - allowed, 0.0) for x in apart)
        found[name] = beyond / (high - low) if bool(periodic.ok) else math.inf
    return found


# --- Korakianitis & Shi 2006 ------------------------------------------------------
_SHI: dict[str, tuple[str, str]] = {
    "LV_V": ("volume", "left_ventricle"),
    "RV_V": ("volume", "right_ventricle"),
    "LA_V": ("volume", "left_atrium"),
    "RA_V": ("volume", "right_atrium"),
    "SAS_S_p": ("pressure", "aortic_sinus"),
    "SAS_L_q": ("flow", "aorta"),
    "SAT_S_p": ("pressure", "systemic_arteries"),
    "SAT_L_q": ("flow", "systemic"),
    "SVN_C_p": ("pressure", "systemic_veins"),
    "PAS_S_p": ("pressure", "pulmonary_sinus"),
    "PAS_L_q": ("flow", "pulmonary_trunk"),
    "PAT_S_p": ("pressure", "pulmonary_arteries"),
    "PAT_L_q": ("flow", "pulmonary"),
    "PVN_C_p": ("pressure", "pulmonary_veins"),
}
# The leaflet waveforms are those of a stenosis: the aortic valve opens to 40 degrees
# and the flow does not drag the leaflets (test/runtests.jl of their source).
_STENOSIS = math.radians(40.0)


def shi_signals(model: Circulation) -> Signals:
    """The signals of the reference at t = 19.00 ... 20.00 s, from its far start."""
    times = jnp.append(0.0, 19.0 + 0.01 * jnp.arange(101))
    run = simulate(model, times, rtol=1e-6, atol=1e-6)
    if not bool(run.ok):
        raise RuntimeError("The run did not reach its end.")
    seen = run.observed
    return {k: getattr(seen, kind)[name][1:] for k, (kind, name) in _SHI.items()}


def _columns(path: Path) -> Signals:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: np.asarray([float(row[key]) for row in rows]) for key in rows[0]}


def compare_shi(folder: Path, form: str) -> dict[str, float]:
    """The twentieth beat with orifice valves (``simple``) or stenosed ``leaflet``s."""
    if form == "simple":
        return differences(
            shi_signals(korakianitis_shi()), _columns(folder / "ShiSimple.csv")
        )
    model = korakianitis_shi(leaflet_valves(open_angle=_STENOSIS))
    return differences(shi_signals(model), _columns(folder / "ShiComplex.csv"))


def compare_korakianitis_shi(folder: Path) -> Table:
    """:func:`compare_shi` with either form of the valves."""
    return {form: compare_shi(folder, form) for form in ("simple", "leaflet")}


# --- a stiff integrator -----------------------------------------------------------
def radau(model: Circulation) -> tuple[Trajectory, float]:
    """The periodic beat by SciPy's Radau at 1e-10, from that of 6400 steps a beat.

    And by how much it does not end where it began (mL, mL/s).
    """
    periodic = settle(model, steps_per_beat=6400)
    system, (start, unravel) = periodic.system, ravel_pytree(periodic.state)
    times = system.beat_times(4000, jnp.asarray(0))

    def field(t: Any, y: Any) -> Any:
        return ravel_pytree(system.vector_field(t, unravel(y), None))[0]

    rate, slope = jax.jit(field), jax.jit(jax.jacfwd(field, 1))
    run = solve_ivp(
        lambda t, y: np.asarray(rate(t, y)), (float(times[0]), float(times[-1])),
        np.asarray(start), method="Radau", t_eval=np.asarray(times), rtol=1e-10,
        atol=1e-10, jac=lambda t, y: np.asarray(slope(t, y)),
    )  # fmt: skip
    if not run.success:
        raise RuntimeError(run.message)
    y = jax.vmap(unravel)(jnp.asarray(run.y.T))
    seen = jax.vmap(lambda t, y: system.observe(t, y, None))(times, y)
    open_end = float(np.max(np.abs(run.y[:, -1] - run.y[:, 0])))
    return Trajectory(times, y, seen, jnp.asarray(True)), open_end


def against_beat(
    model: Circulation, exact: Trajectory, steps: int = STEPS_PER_BEAT
) -> dict[str, float]:
    """SBP, DBP (mmHg) and EF (%) at some steps a beat, apart from those of a beat."""
    beat = periodic_beat(settle(model, steps_per_beat=steps), steps_per_beat=steps)
    ours, theirs = (summarize(run, model) for run in (beat, exact))
    indices = ("systolic_pressure", "diastolic_pressure", "lv_ejection_fraction")
    apart = (float(abs(ours[key] - theirs[key])) for key in indices)
    return dict(zip(("sbp", "dbp", "ef"), apart, strict=True))


def compare_stiff() -> Table:
    """Both healthy states at their shipped steps against Radau: mmHg, mmHg, %."""
    models = {name: named_state(name) for name in ("healthy_man", "healthy_woman")}
    return {
        name: against_beat(model, radau(model)[0]) for name, model in models.items()
    }


def _show(title: str, table: Table) -> None:
    print(title)
    for case, found in table.items():
        worst = max(found, key=lambda name: found[name])
        print(f"  {case:36s} {found[worst]:9.2e}  {worst}")


def main(root: Path) -> None:
    """Print the largest difference of every case."""
    solver = root / "oracle_networks_1d0d" / "svZeroDSolver"
    _show("svZeroDSolver, at its own steps", compare_svzerod(solver))
    _show("svZeroDSolver, steps refined", converge_svzerod(solver))
    _show("Regazzoni", compare_regazzoni(root / "regazzoni_limit_cycle"))
    _show("Korakianitis & Shi", compare_korakianitis_shi(root / "korakianitis_shi"))
    for name, found in compare_stiff().items():
        print(f"{name} against Radau: {found}")


if __name__ == "__main__":
    setup()
    ROOT = Path(__file__).resolve().parents[1]
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
