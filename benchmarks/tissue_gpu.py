"""How fast tissue is on the GPU at hand: node-steps a second, a heart, a batch.

    python benchmarks/tissue_gpu.py [--small] [--json]

Ten Tusscher-Panfilov 2006 in 32 bits. Writes its rows into benchmarks/RESULTS.md and
docs/acceptance.toml, unless --json. Without a GPU it says so and writes nothing;
``--small`` runs every part at a size that tries the script on any machine, and writes
nothing either.
"""
# pyright: reportOptionalMemberAccess=false

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from compiled_step import (
    DT,
    on_grid,
    on_lists,
    schemes,
    start,
    stepping,
    tissue_of,
)
from tissue_speed import LONG, Figures, Racer, bare, pacing, race

import cordax

BATCH = 16


class Size(NamedTuple):
    """Nodes along the sides of sheet and box, the heart's spacing (mm) and beat (ms),
    the side of a sheet of the batch, steps, and how often a turn is repeated."""

    sheet: int = 4096
    box: int = 160
    spacing: float = 0.385  # 2.0 million voxels of the generated biventricle
    beat: float = 1000.0
    one: int = 64
    steps: int = 200
    repeats: int = 5


SMALL = Size(32, 12, 3.0, 2.0, 8, 4, 1)


def throughput(size: Size) -> Figures:
    """Node-steps a second by the plain scheme: a full grid, voxels by number."""
    plain = schemes()["second-order"]
    racers: dict[str, Racer] = {
        "grid": bare(on_grid((size.sheet, size.sheet), plain), size.steps),
        "voxels": bare(on_lists((size.box,) * 3, plain), size.steps),
    }
    race(racers, size.repeats)
    return {
        "ep-gpu-throughput": {k: 1e6 * r.told()["msteps"] for k, r in racers.items()}
    }


def heart(size: Size) -> dict[str, float]:
    """Seconds that a beat of a generated biventricle takes, second run of two."""
    from physio.electrophysiology.anatomy.ventricles import Biventricle
    from physio.electrophysiology.tissue.run import run

    voxels = Biventricle().as_voxels(size.spacing)
    tissue = tissue_of(voxels, schemes()["bond-average"])
    taken = []
    for _ in range(2):
        begun = time.perf_counter()
        found = run(tissue, size.beat, pacing(tissue), dt=LONG)
        taken.append(time.perf_counter() - begun)
    assert found.ok, found.problem
    return {"seconds": taken[-1], "nodes": float(tissue.nodes.shape[0])}


def batch(size: Size) -> float:
    """What 16 runs side by side cost over one."""
    tissue = on_grid((size.one, size.one), schemes()["second-order"])
    advance, arrays = stepping(tissue, size.steps, DT)
    state = start(tissue)
    many = jax.tree.map(lambda x: jnp.stack([x] * BATCH), state)
    together = jax.vmap(advance, in_axes=(None, 0))
    racers = {}
    for name, program, first in (("one", advance, state), ("many", together, many)):
        compiled = jax.jit(program)

        def turn(compiled: Any = compiled, first: Any = first) -> None:
            jax.block_until_ready(compiled(arrays, first))

        racers[name] = Racer(turn, tissue.nodes.shape[0], size.steps)
    race(racers, size.repeats)
    one, all_ = (np.asarray(racers[k].wall) for k in ("one", "many"))
    return float(np.median(all_ / one))


def hearts(size: Size) -> Figures:
    """A beat of a heart of two million nodes; many small runs at once."""
    return {"ep-gpu-heart": heart(size) | {"batch_ratio": batch(size)}}


def parts(size: Size) -> dict[str, Callable[[], Figures]]:
    """What is measured, by name."""
    return {"throughput": partial(throughput, size), "heart": partial(hearts, size)}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(parts(SMALL)))
    parser.add_argument("--small", action="store_true", help="try it on any machine")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    asked = parser.parse_args()
    asked.json |= asked.small
    cordax.setup(x64=False, fuse=True)
    if jax.default_backend() != "gpu" and not asked.small:
        print(f"There is no GPU here (jax runs on {jax.default_backend()}).")
        return
    from circulation_speed import measure

    measure(parts(SMALL if asked.small else Size()), asked)


if __name__ == "__main__":
    main()
