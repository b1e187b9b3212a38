"""Operations and bytes of one compiled step of tissue, and what must not be in it.

    python benchmarks/compiled_step.py [--json]

writes tests/reference/speed/tissue.toml, which tests/test_tissue_speed.py holds the
program to; with --json it prints what it found instead. The cases are also what
benchmarks/tissue_speed.py times and benchmarks/gpu_kernels.py compiles for a GPU: ten
Tusscher-Panfilov 2006, 32 bits, by each scheme on a full grid and on 18-neighbour
voxels.
"""
# pyright: reportOptionalMemberAccess=false

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import cordax

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "reference" / "speed" / "tissue.toml"
SIDE = 16  # voxels: enough that what happens once in a program does not count
DT = 0.02  # ms
_SPACING = 0.25  # mm
_FIBRE = (0.8, 0.6, 0.0)  # slanted to the grid: all 19 points of the stencil
_BYTES = {
    "f64": 8,
    "s64": 8,
    "u64": 8,
    "f32": 4,
    "s32": 4,
    "u32": 4,
    "u8": 1,
    "pred": 1,
}
_CONSTANT = re.compile(r"= (\w+)\[([\d,]*)\]\S* constant\(")


def schemes() -> dict[str, Any]:
    """The schemes by name."""
    from physio.electrophysiology.diffusion.bond_average import BondAverage, SecondOrder

    return {"second-order": SecondOrder(), "bond-average": BondAverage()}


def on_grid(
    shape: tuple[int, ...], scheme: Any, cell: Any = None, kind: Any = jnp.float32
) -> Any:
    """Tissue on a full grid with fibres along its first axis."""
    from physio.electrophysiology.diffusion.grid import full_grid

    return tissue_of(full_grid(shape, _SPACING), scheme, cell, kind)


def on_lists(
    shape: tuple[int, int, int], scheme: Any, cell: Any = None, kind: Any = jnp.float32
) -> Any:
    """Tissue on a box of voxels by number, with fibres at an angle to the grid."""
    from physio.electrophysiology.voxels.voxels import Voxels, active

    index = active(np.ones(shape, bool))
    voxels = Voxels(
        spacing=_SPACING, origin=np.zeros(3), shape=shape, index=index,
        regions=np.zeros(len(index), np.int32),
        fibres=np.tile(_FIBRE, (len(index), 1)),
    )  # fmt: skip
    return tissue_of(voxels, scheme, cell, kind)


def tissue_of(
    geometry: Any, scheme: Any, cell: Any = None, kind: Any = jnp.float32
) -> Any:
    """Tissue of a geometry, ten Tusscher-Panfilov 2006 where no cell is given."""
    from physio.electrophysiology.cells.published.ten_tusscher_2006 import (
        ten_tusscher_2006,
    )
    from physio.electrophysiology.diffusion.conductivity import Conductivity
    from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype

    cell = ten_tusscher_2006() if cell is None else cell
    return as_dtype(Monodomain(cell, geometry, Conductivity(), scheme=scheme), kind)


def stepping(tissue: Any, steps: int, dt: float = DT) -> tuple[Callable, Any]:
    """A function (arrays, state) -> state of ``steps`` bare steps, and the arrays.

    As ``recording.run`` advances tissue: the operator is among the arrays, and nodes
    fill whole vectors.
    """
    from physio.electrophysiology.tissue.recording import in_pairs, whole_vectors

    prepared = eqx.filter_jit(lambda tissue: tissue.prepare(dt))(tissue)
    parts = whole_vectors((tissue, prepared), tissue.nodes.shape[0])
    arrays, static = eqx.partition(parts, eqx.is_array)

    def advance(arrays: Any, state: Any) -> Any:
        tissue, prepared = eqx.combine(arrays, static)
        kind = state.v.dtype

        def step(index: Any, state: Any) -> Any:
            t = index.astype(kind) * jnp.asarray(dt, kind)
            return tissue.step(prepared, t, state, dt, None)

        return in_pairs(steps, step, state)

    return advance, arrays


def start(tissue: Any) -> Any:
    """The state before the first step, in arrays of its own."""
    from physio.electrophysiology.tissue.recording import whole_vectors

    state = whole_vectors(tissue.initial_state(), tissue.nodes.shape[0])
    return jax.tree.map(jnp.array, state)


def compiled(tissue: Any, steps: int = 1, dt: float = DT) -> tuple[Any, Any]:
    """The program of ``steps`` steps as ``recording`` compiles its own; its arrays.

    The state is given up, so that the program may write where it read.
    """
    from physio.electrophysiology.tissue.recording import COMPILER

    advance, arrays = stepping(tissue, steps, dt)
    state = jax.eval_shape(lambda: start(tissue))
    made = jax.jit(advance, donate_argnums=1, compiler_options=COMPILER)
    return made.lower(arrays, state).compile(), arrays


def figures(tissue: Any) -> dict[str, float]:
    """Operations and bytes of a node's step; 64-bit values; the largest constant."""
    program, _ = compiled(tissue)
    nodes = tissue.nodes.shape[0]
    cost, text = program.cost_analysis(), program.as_text() or ""
    return {
        "operations": cost["flops"] / nodes,
        "bytes": cost["bytes accessed"] / nodes,
        "doubles": doubles(text),
        "constant": largest_constant(text),
    }


def doubles(text: str) -> int:
    """How many values of a program are 64-bit floats."""
    return text.count(" f64[")


def largest_constant(text: str) -> int:
    """Bytes of the largest constant of a program."""
    found = [
        _BYTES.get(kind, 8) * int(np.prod([int(n) for n in extent.split(",") if n]))
        for kind, extent in _CONSTANT.findall(text)
    ]
    return max(found, default=0)


def cases() -> dict[str, Any]:
    """What is held to its stored figures."""
    box = (SIDE, SIDE, SIDE)
    made = {f"grid {name}": on_grid(box, scheme) for name, scheme in schemes().items()}
    return made | {"lists bond-average": on_lists(box, schemes()["bond-average"])}


def wasteful() -> Any:
    """A step that evaluates the cell's currents twice: the guards must find it."""
    from physio.compose import augment
    from physio.electrophysiology.cells.cell import changed
    from physio.electrophysiology.cells.published.ten_tusscher_2006 import (
        ten_tusscher_2006,
    )
    from physio.electrophysiology.tissue.monodomain import as_dtype

    base = as_dtype(ten_tusscher_2006(), jnp.float32)

    def again(t: Any, y: Any, inputs: Any) -> Any:
        return base.current(changed(y, v=y.v + 1e-3))

    cell = augment(base, again, lambda extra: {"v": 1e-9 * extra})
    return on_grid((SIDE, SIDE, SIDE), schemes()["second-order"], cell)


def main() -> None:
    """Measure, and store or print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    asked = parser.parse_args()
    # 64 bits are on, so that a 64-bit value in a 32-bit step would show
    cordax.setup(x64=True, fuse=True)
    found = {name: figures(tissue) for name, tissue in cases().items()}
    if asked.json:
        print(json.dumps({**found, "wasteful": figures(wasteful())}))
        return
    lines = [
        "# Written by: python benchmarks/compiled_step.py",
        f"# A node's step, TP06, 32 bit, {SIDE}^3 nodes, fuse=True; "
        f"jax {jax.__version__}.",
    ]
    for name, values in found.items():
        lines += [f'["{name}"]']
        lines += [f"{key} = {values[key]:.1f}" for key in ("operations", "bytes")]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("\n".join(lines) + "\n")
    print(FILE, found)


if __name__ == "__main__":
    main()
