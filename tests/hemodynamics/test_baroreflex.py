"""The reflex buffers pressure about the patient's own operating point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio import replace, settle
from physio.hemodynamics.baroreflex import LOOP_GAIN_AT_UNIT_GAIN, Baroreflex
from physio.hemodynamics.states import named_state
from physio.hemodynamics.treatments import fluid_bolus, haemorrhage


@pytest.fixture(scope="module")
def model():
    return named_state("healthy_man")


def pressure(circulation):
    periodic = settle(circulation)
    assert bool(periodic.ok)
    return float(periodic.unknowns["mean_pressure"]), int(periodic.iterations)


def test_the_reflex_is_at_rest_at_its_set_point():
    effects = Baroreflex(0.6, 92.0).effects(jnp.asarray(92.0))
    assert np.allclose(effects, [1.0, 1.0, 1.0, 1.0, 0.0])


def test_the_state_with_reflex_is_the_state_without(model):
    free = settle(named_state("healthy_man", reflex=False))
    held = settle(model)
    a, b = free.state.volume["left_ventricle"], held.state.volume["left_ventricle"]
    assert float(a) == pytest.approx(float(b), abs=0.05)


def test_haemorrhage_is_buffered_and_newton_is_quick(model):
    rest, _ = pressure(model)
    falls = {}
    for gain in (0.0, 1.0):
        lost, iterations = pressure(
            haemorrhage(500.0)(replace(model, "reflex.gain", gain))
        )
        falls[gain] = rest - lost
        assert iterations <= 4
    assert 0.0 < falls[1.0] < 0.5 * falls[0.0]


@pytest.mark.parametrize("change, most", [(500.0, 4), (-500.0, 4), (-1000.0, 6)])
def test_newton_steps_with_reflex(model, change, most):
    strong = replace(model, "reflex.gain", 1.0)
    _, iterations = pressure(fluid_bolus(change, retained=1.0)(strong))
    assert iterations <= most


def test_loop_gain_at_unit_gain(model):
    """-d(mean pressure the effectors set)/d(mean pressure sensed), gain 1."""
    open_loop = named_state("healthy_man", reflex=False)
    reflex = replace(model.reflex, "gain", 1.0)

    def answered(sensed):
        acting = replace(model, "reflex", reflex)
        driven = acting.regulated({"mean_pressure": sensed})
        quiet = jax.tree.map(lambda x: x, driven)
        still = replace(quiet, "reflex.gain", 0.0)
        return settle(still).unknowns["mean_pressure"]

    slope = float(jax.jacfwd(answered)(model.reflex.set_point))
    assert -slope == pytest.approx(LOOP_GAIN_AT_UNIT_GAIN, rel=0.35)
    assert open_loop.reflex is None
