"""Autoregulation of the systemic vessels beside the reflex."""

import equinox as eqx
import jax.numpy as jnp
import pytest

from physio.hemodynamics.control.autoregulation import Autoregulated
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.parameters import parameters


def test_nothing_acts_at_the_set_point():
    effects = Autoregulated(0.5, Baroreflex(0.3, 80.0)).effects(jnp.asarray(80.0))
    for effect, rest in zip(effects, (1.0, 1.0, 1.0, 1.0, 0.0), strict=True):
        assert float(effect) == pytest.approx(rest, abs=1e-12)


def test_exponent_zero_is_the_reflex_alone():
    reflex = Baroreflex(0.6, 92.0)
    pressure = jnp.asarray(80.0)
    alone, both = reflex.effects(pressure), Autoregulated(0.0, reflex).effects(pressure)
    assert eqx.tree_equal(alone, both, rtol=1e-12)


def test_exponent_one_holds_the_flow():
    # without a reflex resistance follows pressure, so p / R stays
    tone = Autoregulated(1.0, Baroreflex(0.0, 70.0))
    assert float(tone.effects(jnp.asarray(84.0)).resistance) == pytest.approx(1.2)
    assert float(tone.set_point) == 70.0


def test_every_parameter_states_unit_and_source():
    found = parameters(Autoregulated())
    assert set(found) == {"exponent", "reflex.gain", "reflex.set_point"}
    assert all(p.unit and p.source for p in found.values())
