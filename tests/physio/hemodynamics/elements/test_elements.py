"""Valves, vessels and activations do what their equations say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio import replace, settle
from physio.hemodynamics import (
    DoubleHill,
    DynamicOrifice,
    ElasticVessel,
    InertialVessel,
    OrificeDiode,
    TwoCosine,
    Vein,
)
from physio.hemodynamics.elements.valves import BLOOD_DENSITY
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.ventilation import Ventilation
from physio.periodic import periodic_beat
from physio.rhythm import Timing
from physio.units import DYN_PER_CM2_PER_MMHG

pytestmark = pytest.mark.core


def test_an_orifice_obeys_bernoulli_and_its_resistance():
    valve = OrificeDiode("a", "b", 1.0, 0.2, resistance=0.01)
    for drop, area in ((30.0, 1.0), (-80.0, 0.2)):
        q = float(valve.flow(jnp.asarray(drop), ()))
        loss = (
            0.01 * abs(q) + 0.5 * BLOOD_DENSITY * (q / area) ** 2 / DYN_PER_CM2_PER_MMHG
        )
        assert loss == pytest.approx(abs(drop)) and np.sign(q) == np.sign(drop)


def test_a_competent_valve_does_not_leak_and_has_finite_derivatives():
    def leak(drop, area):
        return OrificeDiode("a", "b", 4.0, area).flow(drop, ())

    for drop in (-50.0, 0.0, 50.0):
        slopes = jax.grad(leak, (0, 1))(jnp.asarray(drop), jnp.asarray(0.0))
        assert np.all(np.isfinite(slopes))
    assert float(leak(jnp.asarray(-50.0), jnp.asarray(0.0))) == 0.0


def test_a_vein_halves_its_compliance_at_the_stiffening_pressure():
    vein = Vein(100.0, 20.0, 3000.0)

    def pressure(v):
        return vein.transmural_pressure(v, {})

    v = 3000.0 + 2000.0 * jnp.log(2.0)  # where the pressure is 20
    assert float(pressure(v)) == pytest.approx(20.0)
    assert float(1.0 / jax.grad(pressure)(v)) == pytest.approx(50.0)
    assert float(1.0 / jax.grad(pressure)(jnp.asarray(3000.0))) == pytest.approx(100.0)


def test_an_artery_has_resistance_inertia_and_compliance():
    artery = InertialVessel("a", "b", 0.05, 0.005)
    drop, flow = jnp.asarray(3.0), jnp.asarray(20.0)
    rate = artery.derivative(drop, {"flow": flow})["flow"]
    assert 0.005 * float(rate) + 0.05 * 20.0 == pytest.approx(3.0)  # L dq/dt + R q = dp
    assert float(artery.derivative(drop, {"flow": drop / 0.05})["flow"]) == 0.0
    wall = ElasticVessel(2.0, 100.0)
    assert float(wall.transmural_pressure(jnp.asarray(130.0), {})) == 15.0


@pytest.mark.parametrize("law", [TwoCosine("ventricles"), DoubleHill("ventricles")])
def test_activations_run_from_rest_to_one(law):
    since = jnp.linspace(0.0, 0.8, 801)
    e = jax.vmap(lambda s: law(Timing(s, jnp.asarray(0.8))))(since)
    assert float(e.max()) == pytest.approx(1.0, abs=1e-3)
    assert float(e[0]) < 1e-3 and float(e[-1]) < 1e-3 and float(e.min()) >= -1e-12
    slopes = jax.vmap(jax.grad(lambda s: law(Timing(s, jnp.asarray(0.8)))))(since)
    assert np.all(np.isfinite(slopes))


def test_the_dynamic_valve_opens_closes_and_keeps_the_stroke_volume():
    model = regazzoni()
    links = dict(model.connections)
    for name in ("mitral_valve", "aortic_valve"):
        old = links[name]
        links[name] = DynamicOrifice(old.source, old.target)
    leaflets = eqx.tree_at(lambda m: m.connections, model, links)
    plain = periodic_beat(settle(model)).observed
    seen = periodic_beat(settle(leaflets))
    opening = seen.y.connection["aortic_valve"]["opening"]
    assert float(opening.max()) > 0.9 and float(opening.min()) < 0.01
    stroke = [np.ptp(o.volume["left_ventricle"]) for o in (plain, seen.observed)]
    # inertia carries blood on after the pressures cross: more, not less
    assert stroke[0] < stroke[1] < 1.2 * stroke[0]


def test_breathing_is_continuous_and_its_mean_is_that_of_the_pressures():
    breath = Ventilation(480.0, 12.0)
    times = jnp.linspace(0.0, 5.0, 20001)
    pleural, lung = jax.vmap(breath)(times)
    assert float(jnp.abs(jnp.diff(pleural)).max()) < 0.01
    assert float(breath.mean()[0]) == pytest.approx(float(pleural.mean()), abs=0.01)
    assert float(breath.mean()[1]) == pytest.approx(float(lung.mean()), abs=0.01)
    taller = replace(breath, "tidal_volume", 960.0)
    assert float(taller.mean()[0]) == pytest.approx(2 * float(breath.mean()[0]))
