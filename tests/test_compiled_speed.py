"""What is deterministic about speed, and the command that measures the rest."""

import json
import sys
import tomllib
import types

import pytest
from jax.flatten_util import ravel_pytree

from benchmarks import circulation_speed as speed
from benchmarks import compiled_beat, peers
from physio.compose import Augmented
from physio.hemodynamics.loops.regazzoni import regazzoni

STORED = tomllib.loads(compiled_beat.FILE.read_text())
SLACK = 1.1  # other versions of XLA fuse a little differently


def ratios(model):
    """Operations and bytes of a model's beat over those stored."""
    found = compiled_beat.of_beat(model, STORED["steps"])
    return {name: value / STORED[name] for name, value in found.items()}


def test_a_beat_costs_what_it_did(record_property):
    found = ratios(regazzoni())
    for name, ratio in found.items():
        record_property(f"{name}_ratio", ratio)
        # a beat that costs much less should be stored
        assert 0.5 < ratio <= SLACK, name


def test_a_rate_evaluated_twice_is_found():
    base = regazzoni()

    def again(t, y, inputs):
        flat, unravel = ravel_pytree(y)
        nearby = unravel(flat + 1e-3)
        return base.rate(base.forcing(t, inputs), t, nearby, inputs)

    def little(rate):
        flat, unravel = ravel_pytree(rate)
        return unravel(1e-9 * flat)

    found = ratios(Augmented(base, again, little))
    assert found["operations"] > 1.5 * SLACK
    assert found["bytes"] > SLACK


@pytest.fixture
def asked(monkeypatch):
    """Runs the command with what is typed; each part is timed once."""

    def once(run, repeats=15):
        run()
        return 1e-3

    monkeypatch.setattr(speed, "median_seconds", once)
    monkeypatch.setattr(speed, "PEERS_PYTHON", sys.executable)
    nothing = types.SimpleNamespace(y=None)
    monkeypatch.setattr("scipy.integrate.solve_ivp", lambda *a, **k: nothing)

    def typed(*words):
        monkeypatch.setattr(sys, "argv", ["circulation_speed.py", *words])
        return speed.main()

    return typed


def test_help_lists_the_options(asked, capsys):
    with pytest.raises(SystemExit) as ended:
        asked("--help")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--only" in said and "--json" in said


def test_a_part_that_is_unknown_is_refused(asked, capsys):
    with pytest.raises(SystemExit) as ended:
        asked("--only", "beats")
    assert ended.value.code == 2
    assert "'beat', 'population'" in capsys.readouterr().err


def test_json_is_json_and_an_absent_peer_is_named_without_an_error(asked, capsys):
    asked("--only", "peers", "--json")
    said = capsys.readouterr()
    found = json.loads(said.out)["speed-peers"]
    assert found["peers"] + found["absent"] == len(peers.PEERS)
    assert ("haemflow-cl0_ms" in found) or ("haemflow-cl0" in said.err)
    assert found["ours_ms"] == 1.0


def test_a_peer_that_does_not_load_is_null(monkeypatch, capsys):
    def broken():
        raise OSError("libgfortran.so.5: cannot open shared object file")

    def chatty():
        print("welcome")
        return {"ms": 2.0}

    monkeypatch.setattr(peers, "PEERS", {"broken": broken, "chatty": chatty})
    peers.main()
    said = capsys.readouterr()
    assert json.loads(said.out) == {"broken": None, "chatty": {"ms": 2.0}}
    assert "broken: libgfortran.so.5" in said.err
