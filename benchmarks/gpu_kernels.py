"""How many kernels a step is on a GPU, of patients or of tissue, without having one.

    python benchmarks/gpu_kernels.py [tissue]

Compiles for an NVIDIA H200 (h200_target.txtpb describes it to XLA) with the compiler
packages of the installed jax: pip install jax-cuda12-pjrt jax-cuda12-plugin. Counted
are the kernels of the loop's body that move more than 4 kB.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
_NO_TUNING = " --xla_gpu_autotune_level=0"  # tuning wants the device
if _NO_TUNING not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + _NO_TUNING

import jax  # noqa: E402 (after the flags)
import numpy as np  # noqa: E402
from jax.experimental import topologies  # noqa: E402
from jax.sharding import SingleDeviceSharding  # noqa: E402

TARGET = Path(__file__).with_name("h200_target.txtpb")
SMALL = 4096  # bytes: a loop's counter, not a population
_SIZES = {"f64": 8, "s64": 8, "f32": 4, "s32": 4, "u32": 4, "u8": 1, "pred": 1}
_SHAPE = re.compile(r"(f64|s64|f32|s32|u32|u8|pred)\[([\d,]*)\]")
_LINE = re.compile(r"(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*)$")
_KERNELS = {
    "fusion", "custom-call", "copy", "dot", "dynamic-slice", "dynamic-update-slice",
    "reduce", "scatter", "gather", "sort", "call", "while", "conditional",
}  # fmt: skip


def compiled_text(function: Any, *arguments: Any) -> str:
    """The program of a function of arrays (or their shapes), as compiled."""
    topology = topologies.get_topology_desc(
        platform="cuda", topology_name="h200", target_config=TARGET.read_text(),
        topology="1x1x1",
    )  # fmt: skip
    place = SingleDeviceSharding(topology.devices[0])
    shapes = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), arguments
    )
    return jax.jit(function).trace(*shapes).lower().compile().as_text() or ""


def _bytes(shape: str) -> int:
    total = 0
    for kind, extent in _SHAPE.findall(shape):
        total += _SIZES[kind] * int(np.prod([int(n) for n in extent.split(",") if n]))
    return total


def _computations(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        head = re.match(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$", line)
        if head:
            lines = found.setdefault(head.group(1), [])
        elif line.startswith("}"):
            lines = None
        elif lines is not None:
            lines.append(line.strip())
    return found


def loops(text: str) -> list[dict[str, int]]:
    """Kernels and bytes moved per turn of every loop of a compiled program."""
    bodies, told = _computations(text), []
    for name in re.findall(r"body=%?([\w.\-]+)", text):
        shapes: dict[str, str] = {}
        moved = []
        for match in filter(None, map(_LINE.match, bodies[name])):
            result, shape, operation, rest = match.groups()
            shapes[result] = shape
            if operation in _KERNELS:
                operands = re.findall(r"%([\w.\-]+)", rest.split("), ")[0])
                read = sum(_bytes(shapes.get(o, "")) for o in operands)
                moved.append(read + _bytes(shape))
        large = [size for size in moved if size > SMALL]
        told.append({"kernels": len(large), "bytes": sum(large)})
    return told


def population(patients: int = 10_000) -> dict[str, float]:
    """One step of the 12-state loop's population, 32-bit: kernels and bytes."""
    import jax.numpy as jnp

    from physio.hemodynamics.loops.regazzoni import regazzoni
    from physio.parameters import replace
    from physio.simulate import march

    model = regazzoni()

    def run(resistance: Any, elastance: Any) -> Any:
        def one(resistance: Any, elastance: Any) -> Any:
            varied = replace(model, "systemic.resistance", resistance)
            varied = replace(varied, "left_ventricle.active_elastance", elastance)
            return march(varied, beats=1, steps_per_beat=400, save_every=400).y

        return jax.vmap(one)(resistance, elastance)

    shape = jax.ShapeDtypeStruct((patients,), jnp.float32)
    found = max(loops(compiled_text(run, shape, shape)), key=lambda x: x["bytes"])
    return {**found, "patients": patients}


def tissue_step(tissue: Any) -> dict[str, float]:
    """One step of tissue: kernels, and bytes a node over those it must move.

    It must read and write every state, read its neighbours' weights where each node
    has its own, and their numbers where they are listed. Two steps make a turn of the
    loop (``in_pairs``), hence the halves.
    """
    from compiled_step import start, stepping

    advance, arrays = stepping(tissue, steps=100)
    state = jax.eval_shape(lambda: start(tissue))
    text = compiled_text(advance, arrays, state)
    found = max(loops(text), key=lambda loop: loop["bytes"])
    nodes = tissue.nodes.shape[0]
    operator = jax.eval_shape(lambda: tissue.operator())
    read = [operator.weights, getattr(operator, "neighbours", None)]
    large = [x for x in read if x is not None and x.shape[-1] == nodes]
    states = [x for x in jax.tree.leaves(state) if x.shape == (nodes,)]
    ideal = sum(x.dtype.itemsize * x.size for x in [*states, *states, *large]) / nodes
    moved = found["bytes"] / 2 / nodes
    return {
        "kernels": found["kernels"] / 2,
        "bytes": moved,
        "ideal": ideal,
        "bytes_ratio": moved / ideal,
    }


def tissue() -> dict[str, dict[str, float]]:
    """Each scheme's step on 512 x 512 nodes and on as many 18-neighbour voxels."""
    from compiled_step import on_grid, on_lists, schemes

    found = {}
    for name, scheme in schemes().items():
        found[f"grid {name}"] = tissue_step(on_grid((512, 512), scheme))
        found[f"voxels {name}"] = tissue_step(on_lists((64, 64, 64), scheme))
    return found


if __name__ == "__main__":
    print(tissue() if sys.argv[1:] == ["tissue"] else population())
