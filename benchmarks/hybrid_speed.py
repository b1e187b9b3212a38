"""What a learned term costs: a hybrid beat over the mechanistic one, and training.

    python benchmarks/hybrid_speed.py [--only NAMES] [--json]

The default circulation, 150 steps a beat, float64; a residual of two hidden layers of
16 that adds two flows as functions of two pressures, with weights that are not zero.
Both beats run in turn; the ratio is the median over pairs. Writes the rows it measured
into benchmarks/RESULTS.md and docs/acceptance.toml, unless --json.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import cordax

STEPS = 150
BATCH = 1000
PAIRS = {"one": 200, "batch": 25}


def pair() -> tuple[Any, Any]:
    """The mechanistic circulation and a hybrid of it."""
    from learned.ranges import Range
    from learned.residual import neural_residual
    from physio import Augmented
    from physio.hemodynamics.exchange import exchange
    from physio.hemodynamics.states import named_state

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
    from physio.simulate import settle

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


PARTS: dict[str, Callable[[], dict[str, dict[str, float]]]] = {"beat": beat}


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
