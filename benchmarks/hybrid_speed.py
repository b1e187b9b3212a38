"""What a learned term costs: a beat, a step of tissue, training, a heart of 43 numbers.

    python benchmarks/hybrid_speed.py [--only NAMES] [--json]

Beat: the default circulation, 150 steps a beat, float64; a residual of two hidden
layers of 16 that adds two flows as functions of two pressures, with weights that are
not zero. Tissue: ten Tusscher 2006 on a grid of 256 x 256, float32, with and without a
learned current of a gate of its own. Both run in turn; the ratio is the median over
pairs. Training: the examples whole, from their first import to their last line. Writes
the rows it measured into benchmarks/RESULTS.md and docs/acceptance.toml, unless --json.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
import cordax  # noqa: E402 (after the path)

STEPS = 150
BATCH = 1000
GRID, TISSUE_STEPS, TISSUE_DT = (256, 256), 20, 0.02  # nodes, 1, ms
PAIRS = {"one": 200, "batch": 25, "tissue": 15}
#: examples that train
TRAINED = ("15_a_missing_current", "16_a_surrogate", "17_a_learned_baroreflex")


def pair() -> tuple[Any, Any]:
    """The mechanistic circulation and a hybrid of it."""
    from learned.blocks.ranges import Range
    from learned.terms.residual import neural_residual
    from physio import Augmented
    from physio.hemodynamics.exchange import exchange
    from physio.hemodynamics.loops.states import named_state

    base = named_state("healthy_man", reflex=False)
    names = ("pressure.systemic_veins", "pressure.systemic_arteries")
    box = Range(names, ("mmHg", "mmHg"), np.array([0.0, 40.0]), np.array([20.0, 180.0]))
    flows = {"to the atrium": ("mL/s", 10.0), "to the veins": ("mL/s", 10.0)}
    residual = neural_residual(box, flows, key=jax.random.key(0))
    weights = 0.3 * jax.random.normal(jax.random.key(1), (2, 16))
    residual = eqx.tree_at(lambda r: r.network.weights[-1], residual, weights)
    paths = (
        ("systemic_veins", "right_atrium"),
        ("systemic_arteries", "systemic_veins"),
    )
    return base, Augmented(base, residual, exchange(base, *paths))


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def in_turn(first: Callable[[], Any], second: Callable[[], Any], pairs: int) -> Any:
    """Medians of both, and of the second over the first, run in turn."""
    for run in (first, second):
        _seconds(run)  # compiles
    seen = np.array([(_seconds(first), _seconds(second)) for _ in range(pairs)])
    ratio = float(np.median(seen[:, 1] / seen[:, 0]))
    return *(float(m) for m in np.median(seen, axis=0)), ratio


@eqx.filter_jit
def _one(model: Any, y: Any) -> Any:
    from physio.simulate import march

    return march(model, beats=1, y0=y, steps_per_beat=STEPS, save_every=STEPS).y


@eqx.filter_jit
def _many(model: Any, y: Any, rates: Any) -> Any:
    from physio.parameters import replace

    return jax.vmap(lambda y, r: _one(replace(model, "rhythm.rate", r), y))(y, rates)


def beat() -> dict[str, dict[str, float]]:
    """One patient, and a batch of patients at heart rates of their own."""
    from physio.periodic import settle

    base, hybrid = pair()
    y = settle(hybrid, steps_per_beat=STEPS).state
    rates = jnp.linspace(60.0, 90.0, BATCH)
    ys = jax.tree.map(lambda x: jnp.broadcast_to(x, (BATCH, *x.shape)) + 0.0, y)
    a, b, one = in_turn(partial(_one, base, y), partial(_one, hybrid, y), PAIRS["one"])
    c, d, batch = in_turn(
        partial(_many, base, ys, rates), partial(_many, hybrid, ys, rates),
        PAIRS["batch"],
    )  # fmt: skip
    told = {"one": one, "batch": batch, "beat_ms": 1e3 * a, "hybrid_beat_ms": 1e3 * b}
    told |= {"batch_ms": 1e3 * c, "hybrid_batch_ms": 1e3 * d}
    return {"hybrid-speed-beat": told}


def cells() -> tuple[Any, Any]:
    """A cell, and the same with a learned current as benchmarks/recover_cell.py's."""
    from learned.blocks.ranges import Range
    from learned.terms.ion_channel import LearnedCurrent, LearnedGate, with_current
    from learned.terms.residual import neural_residual
    from physio.electrophysiology.cells import ten_tusscher_2006

    base = ten_tusscher_2006()
    gate = LearnedGate.of(
        "slow", half=-5.0, steepness=1 / 14, tau=100.0, voltages=(-90.0, 45.0)
    )
    box = Range(("state.slow",), ("1",), jnp.array([0.0]), jnp.array([0.6]))
    conductance = neural_residual(
        box, {"conductance": ("mS/uF", 0.05)}, key=jax.random.key(0), hidden=(8, 8)
    )
    weights = 0.3 * jax.random.normal(jax.random.key(1), (1, 8))
    conductance = eqx.tree_at(lambda r: r.network.weights[-1], conductance, weights)
    current = LearnedCurrent(conductance, jnp.asarray(-86.0))
    return base, with_current(base, (gate,), current)


@eqx.filter_jit
def _steps(tissue: Any, y: Any) -> Any:
    prepared = tissue.prepare(TISSUE_DT)

    def step(k: Any, y: Any) -> Any:
        return tissue.step(prepared, k * TISSUE_DT, y, TISSUE_DT, None)

    return jax.lax.fori_loop(0, TISSUE_STEPS, step, y)


def tissue() -> dict[str, dict[str, float]]:
    """A step of tissue, a wave on its way."""
    from physio.electrophysiology.diffusion.conductivity import Conductivity
    from physio.electrophysiology.diffusion.grid import full_grid
    from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype

    runs = []
    for cell in cells():
        whole = Monodomain(cell, full_grid(GRID, 0.25), Conductivity())
        part = as_dtype(whole, jnp.float32)
        y = part.initial_state()
        excited = jnp.where(jnp.arange(y.cell.v.size) < 4096, 100.0, 0.0)
        y = eqx.tree_at(lambda s: s.cell.v, y, y.cell.v + excited.astype(jnp.float32))
        runs.append(partial(_steps, part, y))
    plain, hybrid, ratio = in_turn(*runs, PAIRS["tissue"])
    nodes = GRID[0] * GRID[1] * TISSUE_STEPS / 1e6
    return {
        "hybrid-speed-tissue": {
            "ratio": ratio, "msteps": nodes / plain, "hybrid_msteps": nodes / hybrid,
        }
    }  # fmt: skip


def training() -> dict[str, dict[str, float]]:
    """The examples that train, whole, at their full size."""
    took = {}
    for name in TRAINED:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, ROOT / "examples" / f"{name}.py"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        took[name[:2]] = (time.perf_counter() - start) / 60.0
    each = {f"example_{number}": minutes for number, minutes in took.items()}
    return {"hybrid-speed-training": {"minutes": max(took.values()), **each}}


def lnode() -> dict[str, dict[str, float]]:
    """A heart of 43 free parameters, trained and sampled; its page with validation."""
    from benchmarks.lnode_size import measured

    return {"hybrid-speed-lnode": measured()[0]}


PARTS: dict[str, Callable[[], dict[str, dict[str, float]]]] = {
    "beat": beat,
    "tissue": tissue,
    "training": training,
    "lnode": lnode,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="NAMES")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    asked = parser.parse_args()
    cordax.setup(fuse=True)
    from circulation_speed import measure

    measure(PARTS, asked)


if __name__ == "__main__":
    main()
