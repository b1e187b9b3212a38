"""Seconds of activation times on voxels, tetrahedra and triangles.

    python benchmarks/eikonal_speed.py [--only NAMES] [--json]

One run per geometry and precision after the one that compiles, with CPU-seconds
beside wall-clock ones, and the gradient of the mean time by a velocity. Voxels are
0.35 mm, velocities 0.65 and 0.25 m/s along and across fibres that turn by 120 degrees
through the depth; one site. Writes the rows it measured into benchmarks/RESULTS.md and
docs/acceptance.toml, unless --json.
"""
# pyright: reportOptionalMemberAccess=false

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np

import cordax

SPACING = 0.35  # mm
ALONG, ACROSS = 0.65, 0.25  # mm/ms


def _grid(n: tuple[int, ...]) -> np.ndarray:
    axes = [np.arange(k) for k in n]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(n))


def _turning(depth: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(60.0) * (1.0 - 2.0 * depth / max(depth.max(), 1.0))
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(len(depth))], axis=1)


def voxels(n: int) -> Any:
    """A block of n^3 voxels."""
    index = _grid((n, n, n))
    return SimpleNamespace(
        spacing=SPACING,
        origin=np.zeros(3),
        index=index,
        fibres=_turning(index[:, 2]),
        sheets=None,
    )


def tetrahedra(n: int) -> Any:
    """A block of n^3 cubes of six tetrahedra."""
    base, tetra = _grid((n, n, n)), []
    for order in permutations(range(3)):
        corners = [base]
        for axis in order:
            corners.append(corners[-1] + np.eye(3, dtype=int)[axis])
        size = (n + 1,) * 3
        tetra.append(
            np.stack([np.ravel_multi_index(tuple(c.T), size) for c in corners], 1)
        )
    depth = np.tile(base[:, 2], 6)
    return SimpleNamespace(
        nodes=SPACING * _grid((n + 1,) * 3),
        elements={"tetra": np.concatenate(tetra)},
        fibres={"tetra": _turning(depth)},
        sheets={},
    )


def triangles(n: int) -> Any:
    """A sheet of n^2 squares of two triangles."""
    base, size = _grid((n, n)), (n + 1, n + 1)
    a, b, c, d = (
        np.ravel_multi_index(tuple((base + s).T), size)
        for s in ((0, 0), (1, 0), (1, 1), (0, 1))
    )
    triangle = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    flat = SPACING * _grid(size)
    return SimpleNamespace(
        nodes=np.concatenate([flat, np.zeros((len(flat), 1))], axis=1),
        elements={"triangle": triangle},
        fibres={"triangle": np.tile([[1.0, 0.0, 0.0]], (len(triangle), 1))},
        sheets={},
    )


CASES = {
    "voxels_0.1M": (voxels, 46),
    "voxels_1M": (voxels, 100),
    "tetrahedra_0.2M": (tetrahedra, 32),
    "tetrahedra_1M": (tetrahedra, 55),
    "triangles_0.2M": (triangles, 316),
}


def _finished(program: Any, given: Any) -> Any:
    import jax

    return jax.block_until_ready(program(*given))


def _timed(act: Any) -> tuple[Any, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = act()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def measure(name: str, dtype: str) -> dict[str, float]:
    """Nodes, and seconds to prepare, to compile, to run and for the gradient."""
    import jax
    import jax.numpy as jnp

    from physio.electrophysiology.eikonal.solve import (
        Velocities,
        activation_times,
        prepare,
    )

    make, n = CASES[name]
    geometry = make(n)
    space, _, prepared = _timed(lambda: prepare(geometry))
    site = np.array([0])

    def velocity(along: Any) -> Velocities:
        across = jnp.asarray(ACROSS, dtype)
        return Velocities(along, across, across)

    def times(space: Any, along: Any) -> Any:
        return activation_times(space, velocity(along), site)

    slope = jax.grad(lambda along, space: jnp.mean(times(space, along)))
    along = jnp.asarray(ALONG, dtype)
    row = {"nodes": float(space.nodes.shape[0]), "prepare_cpu_s": prepared}
    for what, act in (("", jax.jit(times)), ("gradient_", jax.jit(slope))):
        given = (space, along) if not what else (along, space)
        program, waited, compiled = _timed(lambda a=act, g=given: a.lower(*g).compile())
        run = partial(_finished, program, given)
        run()
        _, wall, cpu = _timed(run)
        row |= {
            f"{what}compile_wall_s": waited,
            f"{what}compile_cpu_s": compiled,
            f"{what}wall_s": wall,
            f"{what}cpu_s": cpu,
        }
    return row


def part(name: str) -> dict[str, dict[str, float]]:
    """A case at both precisions; in 32 bits a million voxels are the promise's."""
    rows = {f"eikonal-{name}-{d}": measure(name, d) for d in ("float32", "float64")}
    if name != "voxels_1M":
        return rows
    row = rows[f"eikonal-{name}-float32"]
    told = {"seconds": row["wall_s"], "compile_seconds": row["compile_wall_s"]}
    return rows | {"ep-eikonal-speed": told, "ep-eikonal-aim": told}


PARTS: dict[str, Callable[[], dict[str, dict[str, float]]]] = {
    name: partial(part, name) for name in CASES
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="NAMES")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    asked = parser.parse_args()
    cordax.setup(cache=False)
    from circulation_speed import measure as measured

    measured(PARTS, asked)


if __name__ == "__main__":
    main()
