"""Parameters are found by dotted name and say what they are."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from physio import get, param, parameters, replace, scale, set_to, shift, then
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.states import closed_loop

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def model():
    return regazzoni()


def test_every_parameter_states_unit_source_and_meaning():
    for parameter in parameters(closed_loop()).values():
        assert parameter.unit and parameter.source and parameter.doc, parameter.name


def test_get_and_replace_by_dotted_name(model):
    changed = replace(model, "systemic.resistance", 1.3)
    assert float(get(changed, "systemic.resistance")) == 1.3
    assert float(get(model, "systemic.resistance")) == 0.8


def test_replace_keeps_the_dtype_of_the_leaf(model):
    changed = replace(model, "systemic.resistance", jnp.float32(1.5))
    assert get(changed, "systemic.resistance").dtype == jnp.float64


def test_a_misspelt_name_lists_the_nearest(model):
    with pytest.raises(KeyError, match="systemic.resistance"):
        get(model, "systemic.resistence")


def test_a_submodel_is_not_replaced_by_a_number(model):
    with pytest.raises(ValueError, match="systemic.resistance"):
        replace(model, "systemic", 1.0)


def test_replace_refuses_a_shape_that_does_not_fit(model):
    with pytest.raises(ValueError, match="shape"):
        replace(model, "systemic.resistance", np.ones(3))


@pytest.mark.parametrize("bad", ["1.0", None, True, float("nan"), [1.0, 2.0], 1j])
def test_param_refuses_what_is_not_one_number_naming_the_field(bad):
    class Thing(eqx.Module):
        stiffness: Array = param(1.0, unit="1", source="none", doc="a number")

    with pytest.raises(ValueError, match="stiffness"):
        Thing(bad)


def test_param_refuses_an_unknown_unit_and_an_empty_source():
    with pytest.raises(ValueError, match="furlong"):
        param(1.0, unit="furlong", source="s", doc="d")
    with pytest.raises(ValueError, match="source"):
        param(1.0, unit="1", source="", doc="d")


def test_the_verbs_compose(model):
    name = "systemic.resistance"
    treated = then(scale(name, 0.5), shift(name, 0.1))(model)
    assert float(get(treated, name)) == pytest.approx(0.8 * 0.5 + 0.1)
    assert float(get(set_to(name, 2)(model), name)) == 2.0
