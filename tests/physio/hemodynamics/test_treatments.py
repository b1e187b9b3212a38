"""Treatments are pure functions of a dose; a dose that is none changes nothing."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from cordax.scenarios.doses import DOSES
from cordax.scenarios.names import TREATMENTS
from physio import get
from physio.hemodynamics import treatments
from physio.hemodynamics.loops.states import named_state

#: Where a treatment sets a value, the value that is there already changes nothing.
SAME = {
    "heart_rate": "rhythm.rate",
    "valve_replacement": "aortic_valve.open_area",
}


@pytest.fixture(scope="module")
def model():
    return named_state("mitral_regurgitation", reflex=False)


def rates(circulation):
    """The rates of change of all volumes at the start of a run, in mid-ejection."""
    y = circulation.initial_state()
    forcing = circulation.forcing(jnp.asarray(0.15), None)
    change, _ = circulation.full_rate(
        forcing, circulation.volumes(forcing, y), y.connection
    )
    return ravel_pytree(change)[0]


def dose_of_none(name, model):
    return get(model, SAME[name]) if name in SAME else DOSES[name].none


def test_there_are_ten_treatments_or_more(record_property):
    record_property("treatments", len(TREATMENTS))
    assert len(TREATMENTS) >= 10
    assert set(TREATMENTS) >= {
        "fluid_bolus", "haemorrhage", "vasodilator", "vasopressor", "inotrope",
        "beta_blocker", "heart_rate", "valve_repair", "peep", "lvad",
    }  # fmt: skip


@pytest.mark.parametrize("name", [n for n in TREATMENTS if n != "lvad"])
def test_a_dose_of_none_changes_nothing(model, name):
    none = dose_of_none(name, model)
    same = TREATMENTS[name].make(jnp.asarray(none, float))(model)
    np.testing.assert_allclose(rates(same), rates(model), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_dose_changes_something_and_leaves_the_model_it_was_given(model, name):
    before = jax.tree.map(lambda x: x, model)
    treated = TREATMENTS[name].make(jnp.asarray(1.3))(model)
    assert bool(eqx.tree_equal(before, model))
    assert not bool(eqx.tree_equal(treated, model))


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_treatment_takes_one_dose_and_says_its_unit(name):
    function = getattr(treatments, name)
    first, *rest = inspect.signature(function).parameters.values()
    assert first.default is first.empty
    assert all(p.default is not p.empty for p in rest)
    unit = TREATMENTS[name].unit.replace("cm2", "cm^2")
    text = inspect.getdoc(function)
    assert unit == "1" or f"({unit})" in text, text


def test_a_dose_is_differentiable(model):
    def rate(dose):
        return rates(treatments.vasodilator(dose)(model)).sum()

    # blood is conserved whatever the dose; the veins' own share is not constant
    assert float(jax.grad(rate)(0.8)) == pytest.approx(0.0, abs=1e-9)
    arteries = jax.grad(lambda d: rates(treatments.vasodilator(d)(model))[-2])
    assert np.isfinite(arteries(0.8)) and float(arteries(0.8)) != 0.0


def test_the_heart_rate_given_is_the_rate_of_the_rhythm(model):
    faster = treatments.heart_rate(90.0)(model)
    times = faster.beat_times(200, jnp.asarray(0))
    assert float(times[-1] - times[0]) == pytest.approx(60.0 / 90.0)
    slowed = treatments.beta_blocker(1.0)(model)
    assert float(get(model, "rhythm.rate") - get(slowed, "rhythm.rate")) == 12.0


def test_a_vasopressor_constricts_arterioles_and_veins(model):
    """Persichini 2012: blood of the veins becomes stressed, 600 mL per doubling."""
    veins = "systemic_veins.unstressed_volume"
    for factor in (1.3, 0.7):
        treated = treatments.vasopressor(factor)(model)
        stressed = float(get(model, veins) - get(treated, veins))
        assert stressed == pytest.approx(600.0 * (factor - 1.0))
        ratio = get(treated, "systemic.resistance") / get(model, "systemic.resistance")
        assert float(ratio) == pytest.approx(factor)
    # so that the same blood fills the veins to a higher pressure
    pressed = treatments.vasopressor(1.3)(model)
    y = model.initial_state()
    at = jnp.asarray(0.0)
    before, after = (
        float(m.observe(at, y, None).pressure["systemic_veins"])
        for m in (model, pressed)
    )
    assert after > before + 1.0
