"""How fast the circulation is, each claim beside the error it is made at.

    python benchmarks/circulation_speed.py [--only NAMES] [--json]

Medians of repeated runs in one process, on whatever machine this is; what compares
two programs runs both here. Writes the rows it measured into benchmarks/RESULTS.md and
docs/acceptance.toml, unless --json is given.
"""

import argparse
import ast
import datetime
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import cordax
from physio.hemodynamics.control.baroreflex import LOOP_GAIN_AT_UNIT_GAIN, Baroreflex
from physio.hemodynamics.indices.beat import summarize
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import fluid_bolus
from physio.parameters import get, replace
from physio.periodic import periodic_beat, settle
from physio.simulate import march

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
Figures = dict[str, dict[str, float]]
FINE = 8  # times as many steps as the reference of an error
CHUNK = 2048  # bytes of one state variable whose loop fits the cache of one core


def median_seconds(run: Callable[[], Any], repeats: int = 15) -> float:
    """The median wall-clock of a call, compiled before."""
    jax.block_until_ready(run())
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


# --- one beat -------------------------------------------------------------------------
def demo_model(*, reflex: bool = True) -> Any:
    """The demo patient's starting circulation: aortic root, and the reflex on."""
    from cordax.patients import find
    from cordax.records import examine
    from cordax.twins import prepare as build

    start = build.start(examine.read(find("periop")))
    if not reflex:
        return start.model
    rest = settle(start.model)
    sensed = summarize(periodic_beat(rest), start.model)["mean_pressure"]
    return eqx.tree_at(
        lambda m: m.reflex, start.model, Baroreflex(jnp.asarray(0.12), sensed),
        is_leaf=lambda x: x is None,
    )  # fmt: skip


def _pressures(model: Any, steps: int) -> np.ndarray:
    periodic = settle(model, steps_per_beat=steps)
    beat = periodic_beat(periodic, steps_per_beat=steps)
    seen = summarize(beat, periodic.system)
    names = ("systolic_pressure", "diastolic_pressure", "lv_ejection_fraction")
    return np.asarray([seen[name] for name in names])


def beat() -> Figures:
    """One beat of the demo patient at the fewest steps that meet 0.05 mmHg."""
    model = demo_model()
    exact = _pressures(model, 3200)
    for steps in (100, 120, 150, 200, 300, 400):
        error = float(np.abs(_pressures(model, steps) - exact).max())
        if error <= 0.05:
            break
    y0 = settle(model, steps_per_beat=steps).state
    seconds = median_seconds(
        lambda: march(model, y0=y0, beats=1, steps_per_beat=steps).y, 51
    )
    return {"speed-beat": {"ms": 1e3 * seconds, "error": error, "steps": steps}}


# --- populations ----------------------------------------------------------------------
def _population(model: Any, n: int, dtype: Any) -> Any:
    """``n`` patients that differ in resistance and elastance, stacked."""
    factors = np.random.default_rng(0).uniform(0.8, 1.25, (2, n))

    def one(resistance: Any, elastance: Any) -> Any:
        varied = model
        for name, factor in (
            ("systemic.resistance", resistance),
            ("left_ventricle.active_elastance", elastance),
        ):
            varied = replace(varied, name, get(model, name) * factor)
        return varied

    stacked = eqx.filter_vmap(one)(*jnp.asarray(factors))
    return jax.tree.map(
        lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, stacked
    )


@eqx.filter_jit
def _extremes(models: Any, steps: int) -> tuple[jax.Array, jax.Array]:
    """Highest and lowest arterial pressure and the state after one beat."""

    def one(model: Any) -> tuple[jax.Array, jax.Array]:
        run = march(model, beats=1, steps_per_beat=steps, save_every=steps)
        flat = [x[-1] for x in jax.tree.leaves(run.y)]
        return jnp.stack(flat), run.ok

    return eqx.filter_vmap(one)(models)


def _run_population(models: Any, steps: int, n: int) -> float:
    from calibration.optimise.batches import in_chunks

    arrays, static = eqx.partition(models, eqx.is_array)
    arrays = jax.tree.map(np.asarray, arrays)
    lanes = CHUNK // models.blood_volume.dtype.itemsize

    def program(arrays: Any) -> Any:
        return _extremes(eqx.combine(arrays, static), steps)

    return median_seconds(lambda: in_chunks(program, lanes, arrays), 5) / n


def _timed(model: Any, n: int, dtype: Any) -> dict[str, float]:
    steps = 400
    seconds = _run_population(_population(model, n, dtype), steps, n)
    return {"us": 1e6 * seconds, "patients": n, "steps": steps}


_POPULATION = """
import sys, json
sys.path.insert(0, sys.argv[1])
import cordax
cordax.setup(x64=sys.argv[2] == "64", fuse=True)
import jax.numpy as jnp
import circulation_speed as c
from physio.simulate import march
seen = march(c.regazzoni(), beats=1, steps_per_beat=400)
wave = seen.observed.pressure["systemic_arteries"]
found = {"loop": c._timed(c.regazzoni(), 10_000, wave.dtype), "wave": wave.tolist()}
if sys.argv[2] == "64":
    found["default"] = c._timed(c.demo_model(reflex=False), 1024, wave.dtype)
print(json.dumps(found))
"""


def population() -> Figures:
    """10,000 patients of the 12-state loop; the default model has its own row.

    Each precision in a process of its own, with the compiler set for populations.
    """
    model, steps = regazzoni(), 400
    fine = march(model, beats=1, steps_per_beat=FINE * steps, save_every=FINE)
    exact = np.asarray(fine.observed.pressure["systemic_arteries"])
    # without the options this process gave itself: they would win
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    figures: Figures = {}
    for bits in ("64", "32"):
        said = subprocess.run(
            [sys.executable, "-c", _POPULATION, str(ROOT / "benchmarks"), bits],
            check=True, env=environment, capture_output=True, text=True,
        ).stdout  # fmt: skip
        found = json.loads(said.splitlines()[-1])
        error = float(np.abs(np.asarray(found["wave"]) - exact).max())
        figures[f"speed-population-f{bits}"] = {**found["loop"], "error": error}
        if "default" in found:
            figures["speed-population-default"] = found["default"]
    return figures


# --- the periodic beat ----------------------------------------------------------------
def periodic() -> Figures:
    """Newton steps to a beat residual of 1e-8, and their time."""
    plain, found = regazzoni(), {}

    def told(name: str, model: Any, y0: Any = None, **more: float) -> Any:
        reached = settle(model, y0=y0)
        found[name] = {
            "newton": int(reached.iterations),
            "residual": float(reached.residual),
            "ms": 1e3 * median_seconds(lambda: settle(model, y0=y0).state, 7),
            **more,
        }
        return reached

    rest = told("speed-settle-start", plain)
    bolus = fluid_bolus(500.0, retained=1.0)(plain)
    told("speed-settle-bolus", bolus, rest.state)
    model = named_state("healthy_man", reflex=False)
    sensed = _mean_pressure(model)
    strong = eqx.tree_at(
        lambda m: m.reflex, model, Baroreflex(jnp.asarray(1.0), sensed),
        is_leaf=lambda x: x is None,
    )  # fmt: skip
    gain = {"loop_gain": LOOP_GAIN_AT_UNIT_GAIN}
    for name, change in (("more", 500.0), ("less", -500.0), ("bleed", -1000.0)):
        treated = fluid_bolus(change, retained=1.0)(strong)
        told(f"speed-settle-{name}", treated, **gain)
    # the row is of both: each figure is the worse of the two
    both = [found.pop(f"speed-settle-{name}") for name in ("more", "less")]
    found["speed-settle-reflex"] = {k: max(b[k] for b in both) for k in both[0]}
    return found


def _mean_pressure(model: Any) -> jax.Array:
    from physio.hemodynamics.indices.beat import beat_mean

    beat = periodic_beat(settle(model))
    return beat_mean(beat.t, beat.observed.pressure["systemic_arteries"])


# --- calibration ----------------------------------------------------------------------
_FRESH = """
import time, cordax
cordax.setup()
from cordax import build, record
from cordax.patients import find
from calibration import fit
s = build.start(record.read(find("periop")))
fit(s.model, s.space, s.observations, s.experiment, starts=1)
"""


def fits() -> Figures:
    """A maximum a posteriori fit: warm, in a fresh process, and 64 at once."""
    from calibration import fit, fit_many
    from cordax.patients import find
    from cordax.records import examine
    from cordax.twins import prepare as build

    s = build.start(examine.read(find("periop")))
    size = s.space.size

    def one() -> Any:
        return fit(s.model, s.space, s.observations, s.experiment, starts=1).z

    found: Figures = {
        "speed-fit-warm": {"seconds": median_seconds(one, 5), "parameters": size}
    }
    environment = dict(os.environ)
    subprocess.run([sys.executable, "-c", _FRESH], check=True, env=environment)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", _FRESH], check=True, env=environment)
    fresh = time.perf_counter() - start
    found["speed-fit-fresh"] = {"seconds": fresh, "parameters": size}
    n = 64
    rng = np.random.default_rng(0)
    noisy = [
        tuple(
            eqx.tree_at(lambda o: o.value, o, o.value + 0.5 * o.sd * rng.normal())
            if hasattr(o, "value")
            else o
            for o in s.observations
        )
        for _ in range(n)
    ]

    def many() -> Any:
        made = fit_many([s.model] * n, [s.space] * n, noisy, [s.experiment] * n)
        return [f.z for f in made]

    found["speed-fit-batch"] = {
        "ms": 1e3 * median_seconds(many, 3) / n,
        "patients": n,
    }
    return found


NUTS_DRAWS = 720  # of each chain: 650 reached an effective number of 968


def posterior() -> Figures:
    """Importance sampling to 1000 effective draws; NUTS as the slow reference."""
    from calibration import fit
    from calibration.sampling.posterior import sample_fit
    from cordax.patients import find
    from cordax.records import examine
    from cordax.twins import prepare as build

    s = build.start(examine.read(find("periop")))
    made = fit(s.model, s.space, s.observations, s.experiment, starts=2)
    sample_fit(made, key=jax.random.key(0))
    start = time.perf_counter()
    drawn = sample_fit(made, key=jax.random.key(1))
    found: Figures = {
        "speed-posterior": {
            "seconds": time.perf_counter() - start,
            "ess": float(drawn.diagnostics["ess"]),
            "pareto_k": float(drawn.diagnostics.get("pareto_k", np.nan)),
        }
    }
    if importlib.util.find_spec("numpyro"):
        start = time.perf_counter()
        chains = sample_fit(
            made, key=jax.random.key(1), method="nuts", chain_draws=NUTS_DRAWS
        )
        seconds = time.perf_counter() - start
        ess = float(chains.diagnostics["ess"])
        found["speed-nuts"] = {
            "seconds": seconds,  # of what was run, compile included
            "ess": ess,  # reached, never assumed
            "r_hat": float(chains.diagnostics["r_hat"]),
        }
    return found


# --- others ---------------------------------------------------------------------------
# The interpreter of an environment with the peers: they clash with our pins.
PEERS_PYTHON = os.environ.get("CORDAX_PEERS_PYTHON", sys.executable)


def peers() -> Figures:
    """The peers' own loops beside ours; SciPy's LSODA on our equations."""
    from scipy.integrate import solve_ivp

    model = regazzoni()
    y0 = settle(model).state
    from jax.flatten_util import ravel_pytree

    flat, unravel = ravel_pytree(y0)
    rate = jax.jit(
        lambda t, y: ravel_pytree(model.vector_field(t, unravel(y), None))[0]
    )
    period = 60.0 / float(model.rhythm.rate)

    def lsoda() -> Any:
        return solve_ivp(
            lambda t, y: np.asarray(rate(t, y)), (0.0, period), np.asarray(flat),
            method="LSODA", rtol=1e-6, atol=1e-6,
        ).y  # fmt: skip

    ours = median_seconds(lambda: march(model, y0=y0, beats=1).y)
    said = subprocess.run(
        [PEERS_PYTHON, str(ROOT / "benchmarks" / "peers.py")],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    found = json.loads(said.splitlines()[-1])
    absent = [name for name, seen in found.items() if seen is None]
    if absent:
        # standard output may be JSON
        print(
            f"  absent: {', '.join(absent)}. For a race with them: "
            "python3 -m venv peers; peers/bin/pip install circulation==0.4.0 "
            "modularcirc==0.3.0 haemflow-cl0 numba; "
            "export CORDAX_PEERS_PYTHON=peers/bin/python",
            file=sys.stderr,
        )
    there = {k: v for k, v in found.items() if v is not None}
    figures = {
        "peers": len(there),
        "absent": len(absent),
        "ours_ms": 1e3 * ours,
        "lsoda_ms": 1e3 * median_seconds(lsoda, 5),
    } | {f"{name}_ms": seen["ms"] for name, seen in there.items()}
    if "numba" in there:
        y = march(model, beats=1).observed.pressure["systemic_arteries"]
        off = there["numba"]["arterial_pressure_at_the_end"] - float(y[-1])
        figures["numba_us_each_of_10000"] = there["numba"]["us_each_of_10000"]
        figures["numba_differs_mmhg"] = abs(off)
    return {"speed-peers": figures}


def gpu() -> Figures:
    """Kernels per step of a population, compiled for a GPU where that is possible."""
    if not importlib.util.find_spec("jax_cuda12_plugin"):
        print(
            "  the GPU compiler is not installed: pip install jax-cuda12-pjrt "
            "jax-cuda12-plugin",
            file=sys.stderr,
        )
        return {}
    script = str(ROOT / "benchmarks" / "gpu_kernels.py")
    environment = dict(os.environ, JAX_ENABLE_X64="0", PYTHONPATH=str(ROOT))
    said = subprocess.run(
        [sys.executable, script], check=True, env=environment, capture_output=True,
        text=True,
    ).stdout  # fmt: skip
    return {"speed-gpu": ast.literal_eval(said.splitlines()[-1])}


PARTS: dict[str, Callable[[], Figures]] = {
    "beat": beat,
    "population": population,
    "periodic": periodic,
    "fits": fits,
    "posterior": posterior,
    "peers": peers,
    "gpu": gpu,
}


def _machine() -> str:
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, jax {jax.__version__}, {jax.default_backend()}"
    )


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{k} {v:.4g}" for k, v in values.items())


def _rows() -> dict[str, str]:
    """The rows there are, by claim."""
    found = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.is_file() else []:
        if line.startswith("| ") and not line.startswith(("| claim", "| ---")):
            found[line.split("|")[1].strip()] = line
    return found


#: figures that a row says beside what is wanted
TOLD_BESIDE = {"speed-nuts": {"r_hat"}}


def write(figures: Figures) -> None:
    """Put figures into RESULTS.md, and what acceptance rows want into theirs."""
    from acceptance import _commit, names, record, rows

    stamp = f"{datetime.date.today().isoformat()} | {_commit()} | {_machine()}"
    lines = _rows() | {
        name: f"| {name} | {_told(values)} | {stamp} |"
        for name, values in figures.items()
    }
    head = [
        "# Speed",
        "",
        "Medians of `python benchmarks/circulation_speed.py`; errors beside them are",
        "of the same run. A `+` after a commit: changes that were not committed.",
        "",
        "| claim | figures | date | commit | machine |",
        "| --- | --- | --- | --- | --- |",
    ]
    RESULTS.write_text("\n".join([*head, *lines.values()]) + "\n")
    known = rows()
    for name, values in figures.items():
        if name in known:
            wanted = names(known[name]["wanted"])
            kept = wanted | TOLD_BESIDE.get(name, set())
            record(name, {k: v for k, v in values.items() if k in kept})


def measure(parts: dict[str, Callable[[], Figures]], asked: argparse.Namespace) -> None:
    """Run the parts asked for; print them as JSON, or tell and record them."""
    figures: Figures = {}
    for name in asked.only or parts:
        if not asked.json:
            print(f"{name} ...", flush=True)
        figures |= parts[name]()
    if asked.json:
        print(json.dumps(figures, indent=1))
        return
    for name, values in figures.items():
        print(f"{name}: {_told(values)}")
    write(figures)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="NAMES")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    asked = parser.parse_args()
    if not Path(PEERS_PYTHON).is_file():
        parser.error(
            f"CORDAX_PEERS_PYTHON={PEERS_PYTHON} is not a file. Give the Python of the "
            "environment with the peers, such as peers/bin/python."
        )
    cordax.setup()
    measure(PARTS, asked)


if __name__ == "__main__":
    main()
