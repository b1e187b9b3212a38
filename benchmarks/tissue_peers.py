"""How fast the tissue solvers that pip installs are, and a numba kernel of our maths.

    PYTHON benchmarks/tissue_peers.py

is a worker for benchmarks/tissue_speed.py, in an environment of its own. Its first line
names what loaded ({"there": [...], "absent": {name: why}}); then for every name on
standard input it advances that solver and prints {"nodes", "steps", "wall", "cpu"}.
Each is a sheet of 512 x 512 nodes, 0.25 mm apart, dt 0.02 ms.
"""
# pyright: reportMissingImports=false

import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE, SPACING, DT = 512, 0.25, 0.02  # nodes, mm, ms
DIFFUSIVITY = 0.0953  # mm^2/ms
CONTENDER = Path(__file__).with_name("tissue_contender_f32.c")
REST = (
    -85.23, 0.00621, 0.4712, 0.0095, 0.00172, 0.7444, 0.7045, 3.373e-5, 0.7888, 0.9755,
    0.9953, 0.999998, 2.42e-8, 1.26e-4, 3.64, 3.6e-4, 0.9073, 8.604, 136.89,
)  # fmt: skip
Advance = Callable[[], None]


def sheet(kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """The 19 states at rest and the voltage, raised in a strip, of the C kernel."""
    y = np.repeat(np.asarray(REST, kind)[:, None], SIDE * SIDE, axis=1)
    v = y[0].reshape(SIDE, SIDE).copy()
    v[:, :32] = 20.0
    return y, v.reshape(-1)


# --- Finitewave -----------------------------------------------------------------------
def finitewave(kind: Any, model_name: str) -> tuple[Advance, int]:
    """Its own loop, without trackers; ``npfloat`` is its word for the precision."""
    import finitewave as fw

    tissue = fw.CardiacTissue([SIDE, SIDE])
    model = getattr(fw, model_name)()
    model.npfloat, model.prog_bar = kind, False
    model.dt, model.dr = DT, SPACING
    if model_name == "TenTusscherPanfilov2006":
        model.D_model = DIFFUSIVITY
    model.cardiac_tissue = tissue
    raised = 20.0 if model_name == "TenTusscherPanfilov2006" else 1.0
    stimuli = fw.StimSequence()
    stimuli.add_stim(fw.StimVoltageCoord(0, raised, 0, 32, 0, SIDE))
    model.stim_sequence = stimuli
    model.t_max = 2 * DT
    model.run()
    steps = 20

    def advance() -> None:
        model.t_max = model.t + (steps - 0.5) * DT
        model.run(initialize=False)

    return advance, steps


# --- TorchCor -------------------------------------------------------------------------
def torchcor(kind: str) -> tuple[Advance, int]:
    """Its consistent finite elements on triangles, tolerances of its own examples."""
    import torch
    from torchcor.ionic import TenTusscherPanfilov
    from torchcor.simulator import Monodomain

    torch.set_num_threads(os.cpu_count() or 1)
    dtype = getattr(torch, kind)
    cell = TenTusscherPanfilov(dt=DT, dtype=dtype)
    solver = Monodomain([cell], T=1e3, dt=DT, device=torch.device("cpu"), dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        strip = _carp_files(Path(folder))
        solver.load_mesh(folder, unit_conversion=1000)
        solver.add_stimulus(strip, start=0.0, duration=2.0, intensity=100.0)
    solver.add_conductivity(None, il=0.5272, it=0.2076, el=1.0732, et=0.4227)
    solver.assemble()
    u = torch.zeros(solver.n_nodes, dtype=dtype)
    for model in solver.ionic_models:
        u[model.node_indices] = model.initialize(model.node_indices.shape[0]).clone()
    solver.cg.initialize(x=u, linear_guess=True)
    now = [u, 0.0]
    steps = 5

    def advance() -> None:
        for _ in range(steps):
            now[1] += DT
            now[0], *_ = solver.step(now[0], now[1], 1e-5, 1e-5, 100)

    return advance, steps


def _carp_files(folder: Path) -> str:
    """The sheet as triangles in openCARP's format, micrometres; the strip's nodes."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="xy")
    nodes = 1e3 * SPACING * np.stack([x, y, 0 * x], -1).reshape(-1, 3)
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).reshape(-1)
    one = np.stack([corner, corner + 1, corner + SIDE], 1)
    two = np.stack([corner + 1, corner + SIDE + 1, corner + SIDE], 1)
    rows = np.concatenate([one, two])
    with (folder / "sheet.pts").open("w") as file:
        file.write(f"{len(nodes)}\n")
        np.savetxt(file, nodes, fmt="%.1f")
    with (folder / "sheet.elem").open("w") as file:
        file.write(f"{len(rows)}\n")
        file.writelines(f"Tr {a} {b} {c} 1\n" for a, b, c in rows)
    with (folder / "sheet.lon").open("w") as file:
        file.write("1\n")
        np.savetxt(file, np.tile([1.0, 0.0, 0.0], (len(rows), 1)), fmt="%.1f")
    strip = np.flatnonzero(x.reshape(-1) < 32)
    with (folder / "strip.vtx").open("w") as file:
        file.write(f"{strip.size}\nextra\n")
        np.savetxt(file, strip, fmt="%d")
    return str(folder / "strip.vtx")


# --- numba ----------------------------------------------------------------------------
_NUMBER = re.compile(r"(?<![\w.\]])(\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|\d+)(?![\w.])")


def numba_source() -> str:
    """The C kernel's lines as Python: the same maths, literals in the precision F."""
    text = CONTENDER.read_text()
    macros = re.findall(r"#define (\w+) \(\(R\)\((.*)\)\)", text)
    body = text[text.index("R V=Vc[ix]") : text.index("}}}")]
    statements = [s.strip() for s in body.replace("\n", "").split(";") if s.strip()]
    lines = ["def step(y, Vn_, V_, ny, nx, cdt, dt):"]
    told = [*macros, ("GTO", "0.294"), ("GKR", "0.153"), ("GKS", "0.392")]
    lines += [f"    {name} = F({value})" for name, value in told]
    lines += ["    stim = F(0.0)", "    for jy in prange(ny):"]
    lines += ["        ju, jd = min(jy + 1, ny - 1), max(jy - 1, 0)"]
    lines += ["        for ix in range(nx):", "            k = jy * nx + ix"]
    lines += ["            il, ir = max(ix - 1, 0), min(ix + 1, nx - 1)"]
    lines += [f"            {_as_python(statement)}" for statement in statements]
    return "\n".join(lines) + "\n"


def _as_python(statement: str) -> str:
    statement = re.sub(r"^R ", "", statement)
    name, value = statement.split("=", 1)
    places = {
        "Vu[ix]": "V_[ju*nx+ix]", "Vd[ix]": "V_[jd*nx+ix]", "Vc[ix]": "V_[k]",
        "Vc[ix-(ix>0)]": "V_[jy*nx+il]", "Vc[ix+(ix<nx-1)]": "V_[jy*nx+ir]",
    }  # fmt: skip
    for old, new in places.items():
        value = value.replace(old, new)
    name = re.sub(r"y\[(\d+)\*N\+k\]", r"y[\1, k]", name)
    if value.startswith(("y[", "V_[k]")):
        return f"{name} = " + re.sub(r"y\[(\d+)\*N\+k\]", r"y[\1, k]", value)
    return f"{name} = " + _NUMBER.sub(r"F(\1)", value)


def numba(kind: Any) -> tuple[Advance, int]:
    """The fused kernel, compiled by numba for this machine."""
    import math

    import numba as nb

    @nb.njit(inline="always")
    def where(condition, yes, no):
        return yes if condition else no

    known = {
        "F": kind, "prange": nb.prange, "where": where, "abs_": abs,
        "exp": math.exp, "log": math.log, "sqrt": math.sqrt,
    }  # fmt: skip
    exec(numba_source(), known)
    step = nb.njit(parallel=True, fastmath=True)(known["step"])
    y, v = sheet(kind)
    voltage = [v, v.copy()]
    share = kind(DIFFUSIVITY * DT / SPACING**2)
    steps = 10

    def advance() -> None:
        for _ in range(steps):
            step(y, voltage[1], voltage[0], SIDE, SIDE, share, kind(DT))
            voltage.reverse()

    return advance, steps


PEERS: dict[str, Callable[[], tuple[Advance, int]]] = {
    "finitewave_f64": lambda: finitewave(np.float64, "TenTusscherPanfilov2006"),
    "finitewave_f32": lambda: finitewave(np.float32, "TenTusscherPanfilov2006"),
    "finitewave_ms_f64": lambda: finitewave(np.float64, "MitchellSchaeffer"),
    "torchcor_f64": lambda: torchcor("float64"),
    "torchcor_f32": lambda: torchcor("float32"),
    "numba_f64": lambda: numba(np.float64),
    "numba_f32": lambda: numba(np.float32),
}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Standard output is JSON alone: what the peers print goes nowhere."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def main() -> None:
    """Load what there is, then advance whatever is named on standard input."""
    there: dict[str, tuple[Advance, int]] = {}
    absent: dict[str, str] = {}
    wanted = sys.argv[1:] or list(PEERS)
    for name in wanted:
        try:
            with _quiet():
                there[name] = PEERS[name]()
                there[name][0]()
        except (ImportError, OSError) as why:  # OSError: a library it wants is absent
            absent[name] = str(why)
    print(json.dumps({"there": list(there), "absent": absent}), flush=True)
    for line in sys.stdin:
        advance, steps = there[line.strip()]
        wall, cpu = time.perf_counter(), time.process_time()
        with _quiet():
            advance()
        told = {
            "nodes": SIDE * SIDE, "steps": steps,
            "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
        }  # fmt: skip
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
