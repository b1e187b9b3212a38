"""Blood is conserved, elements compose, and the published loop is reproduced."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from physio import march, param, replace, settle
from physio.hemodynamics import Circulation, Pericardium, Septum
from physio.hemodynamics.elements import AbstractConnection
from physio.hemodynamics.regazzoni import regazzoni
from physio.hemodynamics.states import closed_loop, named_state
from physio.hemodynamics.treatments import lvad, septal_defect
from physio.rhythm import IntegrateAndFire, PrescribedBeats
from physio.simulate import periodic_beat


class Leak(AbstractConnection):
    """A broken element: what leaves the source never arrives."""

    source: str = eqx.field(static=True)
    target: str = eqx.field(static=True)
    rate_of_loss: Array = param(1.0, unit="mL/s", source="none", doc="loss")

    def initial_state(self):
        return ()

    def flow(self, pressure_difference, state):
        return self.rate_of_loss

    def derivative(self, pressure_difference, state):
        return ()


class Leaking(Circulation):
    """The circulation with blood lost at the source of ``leak``."""

    def lost(self, forcing, volume, own):
        change, own_change = self.full_rate(forcing, volume, own)
        change["left_atrium"] = change["left_atrium"] - 1.0
        return change, own_change


def imbalance(rates, model, key):
    """The largest sum of dV/dt over 100 random states, relative to its size."""
    y = model.initial_state()
    names = list(model.compartments)
    draws = jax.random.uniform(key, (100, len(names)), minval=0.5, maxval=1.5)

    def one(draw):
        forcing = model.forcing(0.6 * draw[0], None)
        volume = model.volumes(forcing, y)
        random = {n: volume[n] * d for n, d in zip(names, draw, strict=True)}
        change, _ = rates(forcing, random, y.connection)
        values = jnp.stack(list(change.values()))
        return jnp.abs(values.sum()) / jnp.abs(values).sum()

    return float(jnp.max(jax.vmap(one)(draws)))


@pytest.mark.core
@pytest.mark.parametrize(
    "make", [regazzoni, closed_loop, lambda: lvad(9000.0)(closed_loop())]
)
def test_the_full_rates_conserve_blood(make):
    model = make()
    assert imbalance(model.full_rate, model, jax.random.key(0)) < 1e-13


def test_a_leak_fails_the_test_of_conservation():
    base = regazzoni()
    fields = {f: getattr(base, f) for f in ("rhythm", "activations", "compartments")}
    model = Leaking(**fields, connections=base.connections)
    assert imbalance(model.lost, model, jax.random.key(0)) > 1e-6


@pytest.mark.slow
def test_the_reduced_run_equals_the_full_one_and_no_volume_is_negative():
    """100 beats with one volume implied, and with all of them integrated."""
    model = regazzoni()
    reduced = march(model, beats=100, steps_per_beat=200, save_every=200)

    class Full(type(model).__mro__[1]):  # AbstractRegulated: a system of its own
        base: Circulation

        def initial_state(self):
            y = self.base.initial_state()
            forcing = self.base.forcing(jnp.asarray(0.0), None)
            return self.base.volumes(forcing, y), y.connection

        def forcing(self, t, inputs):
            return self.base.forcing(t, inputs)

        def rate(self, forcing, t, y, inputs):
            return self.base.full_rate(forcing, *y)

        def observe(self, t, y, inputs):
            return y[0]

        def beat_times(self, steps, beat):
            return self.base.beat_times(steps, beat)

        def unknowns(self):
            return ()

        def regulated(self, unknowns):
            return self

        def sensed(self, forcing, t, y, inputs):
            return ()

        def balance(self, means, unknowns):
            return ()

    full = march(Full(model), beats=100, steps_per_beat=200, save_every=200)
    for name, volume in reduced.observed.volume.items():
        assert np.abs(volume - full.observed[name]).max() < 1e-8, name
        assert volume.min() > 0.0, name


def test_the_published_limit_cycle(shared_data):
    """Regazzoni 2022 with ideal diodes against LSODA at 1e-8, 2000 steps a beat."""
    path = shared_data("regazzoni_limit_cycle") / "regazzoni_limit_cycle.json"
    cases = json.loads(path.read_text())
    wanted = next(v for k, v in cases.items() if "diode" in k.lower())
    model = regazzoni()
    seen = periodic_beat(
        settle(model, steps_per_beat=2000), steps_per_beat=2000
    ).observed
    for name, signal in {
        "V_LV": seen.volume["left_ventricle"],
        "V_RV": seen.volume["right_ventricle"],
        "V_LA": seen.volume["left_atrium"],
        "p_AR_SYS": seen.pressure["systemic_arteries"],
        "p_AR_PUL": seen.pressure["pulmonary_arteries"],
    }.items():
        low, high = wanted[name][:2]
        # the oracle prints three decimals
        assert float(signal.min()) == pytest.approx(low, abs=1e-4 * (high - low) + 1e-3)
        assert float(signal.max()) == pytest.approx(
            high, abs=1e-4 * (high - low) + 1e-3
        )


def test_a_connection_that_leads_nowhere_is_refused():
    base = regazzoni()
    links = {**base.connections, "shunt": Leak("left_atrium", "nowhere")}
    with pytest.raises(ValueError, match="nowhere"):
        Circulation(base.rhythm, base.activations, base.compartments, links)


def test_a_name_used_twice_is_refused():
    base = regazzoni()
    links = {**base.connections, "left_atrium": Leak("left_atrium", "left_ventricle")}
    with pytest.raises(ValueError, match="left_atrium"):
        Circulation(base.rhythm, base.activations, base.compartments, links)


def test_a_pump_unloads_the_failing_ventricle_and_a_defect_shunts_left_to_right():
    sick = named_state("hfref", reflex=False)
    before = periodic_beat(settle(sick)).observed
    after = periodic_beat(settle(lvad(9000.0)(sick))).observed
    assert after.volume["left_ventricle"].max() < before.volume["left_ventricle"].max()
    shunted = periodic_beat(settle(septal_defect(0.5)(sick))).observed
    assert float(jnp.mean(shunted.flow["septal_defect"])) > 1.0


def test_pericardium_and_septum_couple_the_chambers():
    model = named_state("healthy_man", reflex=False)
    tight = replace(
        eqx.tree_at(
            lambda m: m.pericardium, model, Pericardium(), is_leaf=lambda x: x is None
        ),
        "pericardium.volume",
        420.0,
    )
    joined = eqx.tree_at(
        lambda m: m.septum, model, Septum(), is_leaf=lambda x: x is None
    )
    free = periodic_beat(settle(model)).observed
    held = periodic_beat(settle(tight)).observed
    pushed = periodic_beat(settle(joined)).observed
    assert (
        held.volume["left_ventricle"].max() < free.volume["left_ventricle"].max() - 1.0
    )
    # the left ventricle helps the right to eject
    assert pushed.pressure["right_ventricle"].max() != pytest.approx(
        float(free.pressure["right_ventricle"].max()), abs=0.1
    )


def test_an_integrate_and_fire_rhythm_beats_as_the_regular_one():
    regular = regazzoni()
    firing = eqx.tree_at(lambda m: m.rhythm, regular, IntegrateAndFire(72.0))
    period = 60.0 / 72.0
    a = march(regular, 2 * period, dt=period / 2000, save_every=50)
    b = march(firing, 2 * period, dt=period / 2000, save_every=50)
    left, right = (r.observed.pressure["left_ventricle"] for r in (a, b))
    assert np.abs(left - right).max() < 1e-6


def test_a_premature_beat_ejects_less_and_the_next_more():
    pattern = jnp.array([1.0, 1.0, 0.6, 1.4, 1.0])
    model = eqx.tree_at(lambda m: m.rhythm, regazzoni(), PrescribedBeats(pattern, 72.0))
    run = march(model, beats=15, steps_per_beat=200)
    flow = np.asarray(run.observed.flow["aortic_valve"])[1:]
    stroke = (flow * np.diff(run.t)).reshape(15, 200).sum(axis=1)[-5:]
    assert stroke[3] < stroke[1] < stroke[4]
