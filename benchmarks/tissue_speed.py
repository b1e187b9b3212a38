"""How fast tissue is, beside its peers, all in one run on whatever machine this is.

    python benchmarks/tissue_speed.py [--only NAMES] [--json]

M node-steps a second of wall clock and of processor (``_cpu``), medians over repeats;
what is compared runs in turns, and a ratio is the median of the turns' ratios. Writes
the rows it measured into benchmarks/RESULTS.md and docs/acceptance.toml, unless --json.
"""
# pyright: reportOptionalMemberAccess=false

import argparse
import ast
import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from compiled_step import DT, compiled, on_grid, on_lists, schemes, start

import cordax

ROOT = Path(__file__).resolve().parents[1]
CONTENDER = ROOT / "benchmarks" / "tissue_contender_f32.c"
PEERS_PYTHON = os.environ.get("CORDAX_PEERS_PYTHON", sys.executable)
Figures = dict[str, dict[str, float]]
SIDE = 512
BOX = (64, 64, 64)  # as many nodes as SIDE x SIDE
LONG = 0.04  # ms: what the averaged current still allows
REPEATS = 9
SETTLE = 0.3  # s: worker threads of the one before spin this long


@dataclass
class Racer:
    """Advances ``nodes`` by ``steps`` when called; what its turns took (s)."""

    advance: Callable[[], Any]
    nodes: int
    steps: int
    dt: float = DT
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def turn(self) -> None:
        """One turn, timed; a worker of its own reports its own times."""
        wall, cpu = time.perf_counter(), time.process_time()
        told = self.advance()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if isinstance(told, dict):
            wall, cpu = told["wall"], told["cpu"]
            self.nodes, self.steps = told["nodes"], told["steps"]
        self.wall.append(wall)
        self.cpu.append(cpu)

    def rate(self, seconds: list[float]) -> float:
        """M node-steps a second."""
        return 1e-6 * self.nodes * self.steps / float(np.median(seconds))

    def told(self) -> dict[str, float]:
        """Its figures."""
        return {
            "msteps": self.rate(self.wall),
            "msteps_cpu": self.rate(self.cpu),
            "ms_a_second": self.steps * self.dt / float(np.median(self.wall)),
        }


def race(racers: dict[str, Racer], repeats: int = REPEATS) -> None:
    """Every racer in turns, after a turn that is not counted."""
    for racer in racers.values():
        racer.advance()
    for _ in range(repeats):
        for racer in racers.values():
            time.sleep(SETTLE)
            racer.turn()


def faster(one: Racer, other: Racer) -> float:
    """How many times the node-steps a second of another, by wall clock."""
    ours, theirs = (np.asarray(r.wall) / (r.nodes * r.steps) for r in (one, other))
    return float(np.median(theirs / ours))


def bare(tissue: Any, steps: int, dt: float = DT) -> Racer:
    """The bare step: no recording, no stimulus, a raised strip to start from."""
    program, arrays = compiled(tissue, steps, dt)
    state = start(tissue)
    raised = jnp.where(jnp.arange(state.v.size) < state.v.size // 16, 1.0, 0.0)
    top = 0.7 if float(state.v[0]) == 0 else 100.0  # dimensionless, or mV above rest
    v = state.v + (top * raised).astype(state.v.dtype)
    now = [eqx.tree_at(lambda s: s.cell.v, state, v)]

    def advance() -> None:
        now[0] = jax.block_until_ready(program(arrays, now[0]))

    return Racer(advance, tissue.nodes.shape[0], steps, dt)


def pacing(tissue: Any) -> Any:
    """The strip of 2 mm at the start of the first axis, once."""
    from physio.electrophysiology.tissue.pacing import stimulate

    x = np.asarray(tissue.nodes)[:, 0]
    strength, duration = tissue.cell.stimulus
    return stimulate(
        x < x.min() + 2.0, strength=strength, duration=2 * duration, dtype=jnp.float32
    )


def recorded(tissue: Any, duration: float, dt: float = DT) -> Racer:
    """What a user gets: ``run`` with its default record, everything it does counted."""
    from physio.electrophysiology.tissue.recording import run

    stimulus = pacing(tissue)

    def advance() -> None:
        run(tissue, duration, stimulus, dt=dt)

    return Racer(advance, tissue.nodes.shape[0], round(duration / dt), dt)


# --- our own rows ---------------------------------------------------------------------
def grid() -> Figures:
    """512 x 512 nodes: both schemes, the step each allows, ``run``, a simple cell."""
    from physio.electrophysiology.cells.published.mitchell_schaeffer_2003 import (
        MitchellSchaeffer2003,
    )

    plain, averaged = schemes().values()
    shape = (SIDE, SIDE)
    racers = {
        "second-order": bare(on_grid(shape, plain), 50),
        "second-order-run": recorded(on_grid(shape, plain), 2.0),
        "bond-average": bare(on_grid(shape, averaged), 50),
        "bond-average-long": bare(on_grid(shape, averaged), 50, LONG),
        "bond-average-run": recorded(on_grid(shape, averaged), 2.0),
        "mitchell-schaeffer": bare(on_grid(shape, plain, MitchellSchaeffer2003()), 500),
    }
    race(racers)
    found = {f"tissue-{name}": racer.told() for name, racer in racers.items()}
    found["tissue-bond-average"]["ratio"] = faster(
        racers["second-order"], racers["bond-average"]
    )
    return found


def slab() -> Figures:
    """The benchmark's slab at 0.2 mm: what averaging costs."""
    from cordax.bench.niederer import slab as made

    racers = {
        name: bare(made(0.2, name, jnp.float32)[0], 200, 0.01) for name in schemes()
    }
    race(racers)
    ratio = faster(racers["second-order"], racers["bond-average"])
    told = {"ratio": ratio} | {
        f"{name.replace('-', '_')}": racer.told()["msteps"]
        for name, racer in racers.items()
    }
    return {"ep-slab-cost": told, "ep-slab-cost-aim": told}


def lists() -> Figures:
    """18-neighbour voxels by number against a full grid of as many nodes."""
    racers = {}
    for name, scheme in schemes().items():
        racers[f"grid {name}"] = bare(on_grid(BOX, scheme), 50)
        racers[f"lists {name}"] = bare(on_lists(BOX, scheme), 50)
    race(racers)
    found = {}
    rows = {
        "second-order": "ep-speed-lists",
        "bond-average": "tissue-lists-bond-average",
    }
    for name, row in rows.items():
        one, other = racers[f"lists {name}"], racers[f"grid {name}"]
        found[row] = {
            "ratio": faster(one, other),
            **one.told(),
            "grid_msteps": other.told()["msteps"],
        }
    return found


_FRESH = """
import sys, json, time
sys.path.insert(0, sys.argv[1])
import cordax
cordax.setup(fuse=True)
from compiled_step import compiled, on_grid, on_lists, schemes
import jax
found = {}
for name, scheme in schemes().items():
    for kind, tissue in (("grid", on_grid((512, 512), scheme)),
                         ("lists", on_lists((64, 64, 64), scheme))):
        jax.block_until_ready(tissue.nodes)
        begun = time.perf_counter()
        compiled(tissue, 50)
        found[kind + " " + name] = time.perf_counter() - begun
print(json.dumps(found))
"""


def compiling() -> Figures:
    """Seconds to a program of 50 steps: with an empty cache, and in a second process.

    The worst of both schemes on a grid and on lists, its operator's program included.
    """
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            said = subprocess.run(
                [sys.executable, "-c", _FRESH, str(ROOT / "benchmarks")], check=True,
                env=environment | {"XDG_CACHE_HOME": folder}, capture_output=True,
                text=True,
            ).stdout  # fmt: skip
            taken.append(json.loads(said.splitlines()[-1]))
    first, second = taken
    figures = {"compile": max(first.values()), "second": max(second.values())}
    named = {name.replace(" ", "_").replace("-", "_"): s for name, s in first.items()}
    return {"ep-speed-compile": figures | named}


def memory() -> Figures:
    """Bytes a node: what the program holds, and the process' growth through ``run``."""
    shape = (1024, 1024)
    nodes = shape[0] * shape[1]
    found: dict[str, float] = {}
    for name, scheme in schemes().items():
        told = compiled(on_grid(shape, scheme), 50)[0].memory_analysis()
        held = told.argument_size_in_bytes + told.temp_size_in_bytes
        found[f"{name.replace('-', '_')}"] = held / nodes
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import cordax; "
        "cordax.setup(fuse=True); import tissue_speed as t; print(t.resident())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    said = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "benchmarks")], check=True,
        env=environment, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found["bytes_per_node"] = float(said.splitlines()[-1]) / nodes
    return {"ep-speed-memory": found}


def resident() -> float:
    """By how many bytes 1024 x 1024 nodes that run enlarge a process, at the most.

    What compiling takes is not counted: a smaller tissue and the first run are over.
    """
    averaged = schemes()["bond-average"]
    recorded(on_grid((64, 64), averaged), 1.0).advance()
    before, peak, over = _resident_now(), [0.0], threading.Event()
    racer = recorded(on_grid((1024, 1024), averaged), 1.0)
    racer.advance()

    def watch() -> None:
        while not over.wait(0.01):
            peak[0] = max(peak[0], _resident_now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    racer.advance()
    over.set()
    watcher.join()
    return peak[0] - before


def _resident_now() -> float:
    """Bytes of this process in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGESIZE"))


# --- others ---------------------------------------------------------------------------
class Worker:
    """benchmarks/tissue_peers.py in an environment of its own, told what to advance."""

    def __init__(self) -> None:
        script = str(ROOT / "benchmarks" / "tissue_peers.py")
        environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
        self.process = subprocess.Popen(
            [PEERS_PYTHON, script], env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        told = self._line()
        self.there, self.absent = told["there"], told["absent"]

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{PEERS_PYTHON} benchmarks/tissue_peers.py ended early."
            )
        return json.loads(line)

    def racer(self, name: str) -> Racer:
        """One of its solvers."""

        def advance() -> dict[str, Any]:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{name}\n")
            self.process.stdin.flush()
            return self._line()

        return Racer(advance, 0, 0)

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def contender() -> Racer | None:
    """The C kernel, compiled here; ``None`` where there is no gcc or no libmvec."""
    if shutil.which("gcc") is None:
        return None
    library = Path(tempfile.mkdtemp()) / "contender.so"
    flags = (
        "-O3 -march=native -ffast-math -fopenmp -mprefer-vector-width=512 "
        "-fsingle-precision-constant -shared -fPIC"
    )
    made = subprocess.run(
        ["gcc", *flags.split(), "-o", str(library), str(CONTENDER), "-lm", "-lmvec"],
        capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        print(made.stderr, file=sys.stderr)
        return None
    from tissue_peers import DIFFUSIVITY, SPACING, sheet

    step = ctypes.CDLL(str(library)).step
    step.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2 + [ctypes.c_float] * 2
    step.argtypes += [ctypes.c_long]
    y, v = sheet(np.float32)
    voltage = [v, v.copy()]
    share, steps = DIFFUSIVITY * DT / SPACING**2, 50

    def advance() -> None:
        for _ in range(steps):
            new, old = voltage[1].ctypes.data, voltage[0].ctypes.data
            step(y.ctypes.data, new, old, SIDE, SIDE, share, DT, 0)
            voltage.reverse()

    return Racer(advance, SIDE * SIDE, steps)


def peers() -> Figures:
    """Every peer's own step in turns with ours, at both precisions."""
    from physio.electrophysiology.cells.published.mitchell_schaeffer_2003 import (
        MitchellSchaeffer2003,
    )

    plain, shape = schemes()["second-order"], (SIDE, SIDE)
    worker = Worker()
    racers = {
        "f32": bare(on_grid(shape, plain), 50),
        "f64": bare(on_grid(shape, plain, kind=jnp.float64), 50),
        "run": recorded(on_grid(shape, plain), 2.0),
        "ms": bare(on_grid(shape, plain, MitchellSchaeffer2003()), 500),
        **{name: worker.racer(name) for name in worker.there},
    }
    absent = dict(worker.absent)
    kernel = contender()
    if kernel is None:
        absent["c"] = "gcc with libmvec is not installed"
    else:
        racers["c"] = kernel
    race(racers, repeats=5)
    worker.close()
    if absent:
        # standard output may be JSON
        print(
            f"  absent: {', '.join(absent)}. For a race with them: "
            "python3 -m venv peers; peers/bin/pip install finitewave==0.9.3 "
            "torchcor==1.0.6 numba; "
            "export CORDAX_PEERS_PYTHON=peers/bin/python",
            file=sys.stderr,
        )
    return _against(racers)


def _against(racers: dict[str, Racer]) -> Figures:
    """A row for each peer that ran, with what it was raced against."""
    rows = {
        "ep-speed-finitewave": ("finitewave_f64", "finitewave_f32"),
        "ep-speed-torchcor": ("torchcor_f64", "torchcor_f32"),
        "ep-speed-numba": ("numba_f32", "numba_f64"),
        "ep-speed-c": ("c",),
    }
    found: Figures = {}
    for row, names in rows.items():
        if names[0] not in racers:
            continue
        told = {
            "ratio": faster(racers["f32"], racers[names[0]]),
            "ratio_by_run": faster(racers["run"], racers[names[0]]),
        }
        for name in names:
            ours = "f64" if name.endswith("f64") else "f32"
            told[f"{name}_msteps"] = racers[name].told()["msteps"]
            told[f"{name}_msteps_cpu"] = racers[name].told()["msteps_cpu"]
            told[f"ratio_{ours}"] = faster(racers[ours], racers[name])
        for name in ("f32", "f64", "run"):
            told[f"ours_{name}_msteps"] = racers[name].told()["msteps"]
        found[row] = told
    if "finitewave_ms_f64" in racers:
        found["tissue-mitchell-schaeffer-finitewave"] = {
            "ratio": faster(racers["ms"], racers["finitewave_ms_f64"]),
            "finitewave_msteps": racers["finitewave_ms_f64"].told()["msteps"],
            "ours_msteps": racers["ms"].told()["msteps"],
        }
    return found


# --- derivatives ----------------------------------------------------------------------
def gradients() -> Figures:
    """An activation time by the fibres' conductivity: 10,000 nodes, 1,000 steps timed.

    The memory is that of the program for 10,000 steps, which is compiled and not run.
    """
    from physio.electrophysiology.tissue.recording import activation_map
    from physio.parameters import get, replace

    tissue = on_grid((100, 100), schemes()["second-order"])
    nodes, stimulus = tissue.nodes.shape[0], pacing(tissue)
    name = "conductivity.fibre"
    at = get(tissue, name)

    def arrival(fibre: Any, duration: float) -> Any:
        other = replace(tissue, name, fibre)
        return activation_map(other, duration, stimulus, dt=DT)[20 * 100]

    def programs(duration: float) -> dict[str, Any]:
        return {
            "primal": lambda f: arrival(f, duration),
            "forward": lambda f: jax.jvp(
                lambda f: arrival(f, duration), (f,), (jnp.ones_like(f),)
            ),
            "reverse": jax.value_and_grad(lambda f: arrival(f, duration)),
        }

    steps = 1000
    made = {k: jax.jit(f).lower(at).compile() for k, f in programs(steps * DT).items()}
    racers = {
        k: Racer(lambda c=c: jax.block_until_ready(c(at)) and None, nodes, steps)
        for k, c in made.items()
    }
    race(racers, repeats=5)
    forward, reverse = made["forward"](at)[1], made["reverse"](at)[1]
    whole = jax.jit(programs(10_000 * DT)["reverse"]).lower(at).compile()
    megabytes = whole.memory_analysis().temp_size_in_bytes / 1e6
    rate = {"primal_msteps": racers["primal"].told()["msteps"], "steps": steps}
    return {
        "ep-gradient-forward": {
            "ratio": 1 / faster(racers["forward"], racers["primal"]), **rate
        },
        "ep-gradient-reverse": {
            "ratio": 1 / faster(racers["reverse"], racers["primal"]),
            "megabytes": megabytes,
            "differs": abs(float(reverse / forward) - 1),
            **rate,
        },
    }  # fmt: skip


def gpu() -> Figures:
    """Kernels and bytes per step, compiled for a GPU where that is possible."""
    if not importlib.util.find_spec("jax_cuda12_plugin"):
        print(
            "  the GPU compiler is not installed: pip install jax-cuda12-pjrt "
            "jax-cuda12-plugin",
            file=sys.stderr,
        )
        return {}
    script = str(ROOT / "benchmarks" / "gpu_kernels.py")
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    said = subprocess.run(
        [sys.executable, script, "tissue"], check=True, env=environment,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = ast.literal_eval(said.splitlines()[-1])
    worst = {
        key: max(case[key] for case in found.values())
        for key in ("kernels", "bytes_ratio")
    }
    each = {f"{name.replace(' ', '_')}_bytes": c["bytes"] for name, c in found.items()}
    return {"ep-gpu-kernels": worst | each}


PARTS: dict[str, Callable[[], Figures]] = {
    "grid": grid,
    "slab": slab,
    "lists": lists,
    "compile": compiling,
    "memory": memory,
    "peers": peers,
    "gradients": gradients,
    "gpu": gpu,
}


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
    cordax.setup(fuse=True)
    from circulation_speed import measure

    measure(PARTS, asked)


if __name__ == "__main__":
    main()
