"""What is deterministic about the speed of tissue, and the command for the rest."""
# pyright: reportMissingImports=false

import json
import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
sys.path.insert(0, str(FOLDER))  # its scripts import each other by name

import compiled_step  # noqa: E402 (after the path)
import tissue_peers  # noqa: E402
import tissue_speed as speed  # noqa: E402

from physio.electrophysiology.cells import MitchellSchaeffer2003  # noqa: E402
from physio.electrophysiology.diffusion.bond_average import BondAverage  # noqa: E402
from physio.electrophysiology.tissue.monodomain import as_dtype  # noqa: E402
from physio.electrophysiology.tissue.recording import (  # noqa: E402
    Recorder,
    activation_map,
    run,
    whole_vectors,
)

STORED = tomllib.loads(compiled_step.FILE.read_text())
SLACK = 1.1  # other versions of XLA fuse a little differently
MEGABYTE = 2**20


def script(*words, **environment):
    """What a script says, in a process with the compiler's options of a benchmark."""
    plain = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    return subprocess.run(
        [sys.executable, *words], cwd=FOLDER, check=True, capture_output=True,
        text=True, env=plain | {"PYTHONPATH": str(ROOT)} | environment,
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return json.loads(script("compiled_step.py", "--json").splitlines()[-1])


@pytest.mark.parametrize("case", list(STORED))
def test_a_step_costs_what_it_did(measured, case, record_property):
    for name, wanted in STORED[case].items():
        ratio = measured[case][name] / wanted
        record_property(f"{name}_ratio", ratio)
        # a step that costs much less should be stored
        assert 0.5 < ratio <= SLACK, name


def test_currents_evaluated_twice_are_found(measured):
    stored = STORED["grid second-order"]
    assert measured["wasteful"]["operations"] > SLACK * stored["operations"]
    assert measured["wasteful"]["bytes"] > SLACK * stored["bytes"]


def test_a_step_in_32_bits_holds_no_64_bit_number_and_no_large_constant(measured):
    for case in STORED:
        assert measured[case]["doubles"] == 0, case
        assert measured[case]["constant"] < MEGABYTE, case


def test_64_bit_numbers_and_large_constants_are_found():
    table = np.arange(MEGABYTE // 4, dtype=np.float32) ** 0.5

    def text(function, *arguments):
        return jax.jit(function).lower(*arguments).compile().as_text()

    closed = text(lambda x, k: x + jnp.asarray(table)[k], jnp.ones(4), jnp.arange(4))
    assert compiled_step.largest_constant(closed) >= MEGABYTE
    wide = text(lambda x: x * np.float64(2), jnp.ones(4, jnp.float64))
    assert compiled_step.doubles(wide) > 0


@pytest.mark.parametrize("lists", [False, True], ids=["grid", "lists"])
def test_nodes_that_fill_vectors_change_no_other(lists, monkeypatch):
    """An odd number of nodes, filled up and not."""
    cell = as_dtype(MitchellSchaeffer2003(), jnp.float32)
    scheme = BondAverage(jnp.asarray(0.16), jnp.asarray(0.07))
    made = compiled_step.on_lists if lists else compiled_step.on_grid
    tissue = made((35, 31, 3) if lists else (35, 31), scheme, cell)
    nodes = tissue.nodes.shape[0]
    assert nodes % 16
    grown = whole_vectors((tissue.operator(), tissue.initial_state()), nodes)
    assert {x.shape[-1] % 16 for x in jax.tree.leaves(grown[1]) if x.ndim} == {0}
    pacing = speed.pacing(tissue)

    def arrival():
        return jax.jit(lambda t: activation_map(t, 20.0, pacing, dt=0.1))(tissue)

    filled = arrival()
    if not lists:
        record = Recorder(every=2.0, frames=True)
        seen = run(tissue, 20.0, pacing, dt=0.1, record=record)
        assert seen.state.v.shape == seen.frames.shape[1:] == (nodes,)
        np.testing.assert_allclose(seen.activation(), filled, atol=1e-3)
    monkeypatch.setattr("physio.electrophysiology.tissue.recording._SMALL", 10**9)
    plain = arrival()
    assert np.isfinite(plain).mean() > 0.5
    # 32 bits, fused otherwise: rounding of V over an upstroke of 0.1 / ms
    np.testing.assert_allclose(filled, plain, atol=1e-3)


@pytest.fixture
def asked(monkeypatch):
    """Runs the command with what is typed; nothing is advanced."""

    def nothing(tissue, steps_or_duration, dt=0.02):
        return speed.Racer(lambda: None, 16, 10)

    monkeypatch.setattr(speed, "bare", nothing)
    monkeypatch.setattr(speed, "recorded", nothing)
    monkeypatch.setattr(speed, "SETTLE", 0.0)
    monkeypatch.setattr(speed, "SIDE", 4)
    monkeypatch.setattr(speed, "PEERS_PYTHON", sys.executable)

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["tissue_speed.py", *words])
        return speed.main()

    return typed


def test_a_part_that_is_unknown_is_refused(asked, capsys):
    with pytest.raises(SystemExit) as ended:
        asked("--only", "sheet")
    assert ended.value.code == 2
    assert "'grid', 'slab'" in capsys.readouterr().err


def test_an_absent_peer_is_named_without_an_error(asked, capsys, monkeypatch):
    class Nobody:
        there, absent = (), {"torchcor_f64": "No module named 'torchcor'"}

        def close(self):
            pass

    monkeypatch.setattr(speed, "Worker", Nobody)
    monkeypatch.setattr(speed, "contender", lambda: None)
    asked("--only", "peers", "--json")
    said = capsys.readouterr()
    assert json.loads(said.out) == {}
    assert "torchcor_f64, c" in said.err and "pip install finitewave==0.9.3" in said.err


def test_ratios_are_of_turns_that_lie_together():
    quick = speed.Racer(lambda: None, 100, 10, wall=[1.0, 4.0, 1.0], cpu=[1.0])
    slow = speed.Racer(lambda: None, 100, 5, wall=[1.0, 4.0, 1.0], cpu=[1.0])
    assert speed.faster(quick, slow) == pytest.approx(2.0)
    assert quick.told()["msteps"] == pytest.approx(1e-3)
    assert quick.told()["ms_a_second"] == pytest.approx(0.2)


def test_the_numba_kernel_is_made_of_the_lines_of_the_c_kernel():
    source = tissue_peers.numba_source()
    known = {
        "F": np.float64, "prange": range, "exp": np.exp, "log": np.log, "abs_": abs,
        "sqrt": np.sqrt, "where": lambda condition, yes, no: yes if condition else no,
    }  # fmt: skip
    exec(source, known)
    y = np.repeat(np.asarray(tissue_peers.REST)[:, None], 6, axis=1)
    v = np.array([-85.23, -85.23, 20.0, -85.23, -85.23, 20.0])
    new = v.copy()
    known["step"](y, new, v, 2, 3, 0.03, 0.02)
    assert np.isfinite(y).all()
    # diffusion pulls the raised column down and its neighbour up by 0.03 * 105 mV
    assert new[2] < 20 - 3 and new[1] > v[1] + 3 and abs(new[0] - v[0]) < 0.1
    np.testing.assert_array_equal(new[:3], new[3:])


_ON_A_GPU = """
from compiled_step import on_grid, on_lists, schemes
from gpu_kernels import tissue_step
scheme = schemes()["bond-average"]
made = on_grid((128, 128), scheme), on_lists((32, 32, 32), scheme)
print([tissue_step(tissue) for tissue in made])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("jax_cuda12_plugin") is None,
    reason="the GPU compiler is not installed: jax-cuda12-pjrt jax-cuda12-plugin",
)
def test_a_step_on_a_gpu_is_one_kernel_and_moves_little_more_than_it_must():
    said = script("-c", _ON_A_GPU, JAX_PLATFORMS="cpu").splitlines()[-1]
    for found in eval(said, {"__builtins__": {}}):
        assert found["kernels"] == 1
        # a byte a node says which neighbours lie outside; the rest is exact
        assert 1 <= found["bytes_ratio"] < 1.02


@pytest.mark.slow
def test_what_a_gpu_would_be_asked_runs_anywhere():
    found = json.loads(script("tissue_gpu.py", "--small"))
    assert found["ep-gpu-throughput"].keys() == {"grid", "voxels"}
    assert found["ep-gpu-heart"].keys() == {"seconds", "nodes", "batch_ratio"}
    figures = [x for row in found.values() for x in row.values()]
    assert min(figures) > 0.0 and np.isfinite(figures).all()


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="a GPU is at hand")
def test_without_a_gpu_nothing_is_written():
    assert "There is no GPU here" in script("tissue_gpu.py")
