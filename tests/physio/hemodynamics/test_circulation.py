"""Blood is conserved, elements compose, and the published loop is reproduced."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from physio import march, param, replace, settle
from physio.hemodynamics import Circulation, Pericardium, Septum
from physio.hemodynamics.elements.element import AbstractConnection
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.loops.states import closed_loop, named_state
from physio.hemodynamics.treatments import lvad, septal_defect
from physio.periodic import periodic_beat
from physio.rhythm import IntegrateAndFire, PrescribedBeats


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
def test_the_reduced_run_equals_the_full_one_and_no_volume_is_negative(record_property):
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
        difference = np.abs(volume - full.observed[name]).max()
        record_property("difference", float(difference))
        assert difference < 1e-8, name
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


@pytest.mark.slow
def test_a_pump_unloads_the_failing_ventricle_and_a_defect_shunts_left_to_right():
    sick = named_state("hfref", reflex=False)
    before = periodic_beat(settle(sick)).observed
    after = periodic_beat(settle(lvad(9000.0)(sick))).observed
    assert after.volume["left_ventricle"].max() < before.volume["left_ventricle"].max()
    shunted = periodic_beat(settle(septal_defect(0.5)(sick))).observed
    assert float(jnp.mean(shunted.flow["septal_defect"])) > 1.0


@pytest.fixture(scope="module")
def free():
    """The healthy man's beat without reflex, pericardium and septum."""
    return periodic_beat(settle(named_state("healthy_man", reflex=False))).observed


def with_option(name, option):
    model = named_state("healthy_man", reflex=False)
    assert getattr(model, name) is None
    return eqx.tree_at(
        lambda m: getattr(m, name), model, option, is_leaf=lambda x: x is None
    )


def test_a_pericardium_keeps_the_heart_small(free):
    tight = replace(
        with_option("pericardium", Pericardium()), "pericardium.volume", 420.0
    )
    held = periodic_beat(settle(tight)).observed.volume["left_ventricle"]
    assert held.max() < free.volume["left_ventricle"].max() - 1.0


def test_a_septum_couples_the_ventricles(free):
    joined = with_option("septum", Septum())
    pushed = periodic_beat(settle(joined)).observed.pressure["right_ventricle"].max()
    # the left ventricle helps the right to eject
    assert pushed != pytest.approx(
        float(free.pressure["right_ventricle"].max()), abs=0.1
    )


def test_coronary_flow_is_mostly_diastolic_and_can_be_left_out(free):
    flow = np.asarray(free.flow["coronary_arteries"])
    ejecting = np.asarray(free.flow["aortic_valve"]) > 1.0
    # 0.6 of the ventricle's pressure stands against it in systole
    assert flow[ejecting].mean() < 0.7 * flow[~ejecting].mean()
    assert "coronary_arteries" not in regazzoni().connections


def test_the_aorta_is_a_characteristic_impedance_behind_an_elastic_root(free):
    aorta = named_state("healthy_man").connections["aorta"]
    flow = np.asarray(free.flow["aorta"])
    root, beyond = (free.pressure[n] for n in ("aortic_root", "systemic_arteries"))
    drop = np.asarray(root - beyond)
    top = flow.argmax()  # where the blood's inertia takes no part
    assert drop[top] == pytest.approx(float(aorta.resistance) * flow[top], rel=0.02)
    assert flow[top] < 0.95 * free.flow["aortic_valve"].max()  # the root stores blood


def total_of(model):
    """Volumes of every compartment at the start of the periodic beat (mL)."""
    periodic = settle(model, steps_per_beat=200)
    assert bool(periodic.ok)
    seen = model.observe(jnp.asarray(0.0), periodic.state, None)
    return periodic.state.volume, seen


def test_blood_volume_is_a_parameter_and_one_compartment_is_implied():
    model = regazzoni()
    held, before = total_of(model)
    assert set(before.volume) - set(held) == {model.implied}
    total = float(model.blood_volume)
    assert float(sum(before.volume.values())) == pytest.approx(total, abs=1e-9)
    _, after = total_of(replace(model, "blood_volume", total + 100.0))
    assert float(sum(after.volume.values())) == pytest.approx(total + 100.0, abs=1e-9)
    raised = [float(after.pressure[n] - p) for n, p in before.pressure.items()]
    assert min(raised) > 0.0
    # unstressed blood counts: with as much more of it, nothing else changes
    slack = replace(model, "systemic_veins.unstressed_volume", 100.0)
    _, same = total_of(replace(slack, "blood_volume", total + 100.0))
    for name, pressure in before.pressure.items():
        assert float(same.pressure[name]) == pytest.approx(float(pressure), abs=1e-6)


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


# Two laws that follow one group: a bundle branch block


def left_bundle_branch_block(delay):
    """Regazzoni's loop whose left ventricle contracts ``delay`` s after the right."""
    base = regazzoni()
    law = base.activations["ventricles"]
    late = eqx.tree_at(lambda law: law.delay, law, jnp.asarray(delay))
    parts = dict(base.compartments)
    for name, driver in (("left_ventricle", "late"), ("right_ventricle", "early")):
        parts[name] = dataclasses.replace(parts[name], activation=driver)
    laws = {"late": late, "early": law, "atria": base.activations["atria"]}
    return dataclasses.replace(base, activations=laws, compartments=parts)


def corners_of(model):
    """Times in (0, cycle) at which a derivative of any activation jumps."""
    cycle = 60.0 / float(model.rhythm.rate)
    now = model.rhythm.timing(jnp.asarray(0.0), ())
    found = [
        float(t)
        for law in model.activations.values()
        for t in (law.corners(jnp.asarray(cycle)) - now[law.follows].since) % cycle
    ]
    return cycle, [t for t in found if 1e-9 < t < cycle - 1e-9]


@pytest.mark.parametrize("steps", [50, 400])
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.08, 0.25, -0.05])
def test_the_steps_follow_every_corner_of_every_law(delay, steps):
    model = left_bundle_branch_block(delay)
    cycle, corners = corners_of(model)
    times = np.asarray(model.beat_times(steps, jnp.asarray(0)))
    assert times.shape == (steps + 1,) and times[0] == 0.0
    assert times[-1] == pytest.approx(cycle, rel=1e-12)
    longest = np.diff(times).max() / (cycle / steps)
    # two ends are rounded to whole steps: at worst two steps' width in one
    assert np.diff(times).min() >= 0.0 and longest <= 2.0
    off = [np.abs(times - corner).min() for corner in corners]
    assert max(off) < 1e-9 * cycle


def test_a_beat_at_rest_keeps_its_steps():
    """What nothing delays has the grid of a typical beat: 400 steps, 6 segments."""
    times = np.asarray(regazzoni().beat_times(400, jnp.asarray(0)))
    widths = np.diff(times)
    changes = np.flatnonzero(np.abs(np.diff(widths)) > 1e-9)
    # from typical fractions 0.1, 0.35, 0.52, 0.8 and 0.95
    assert (changes + 1).tolist() == [40, 140, 208, 320, 380]


def test_a_bundle_branch_block_is_marched_as_with_short_steps():
    model = left_bundle_branch_block(0.08)
    cycle = 60.0 / float(model.rhythm.rate)
    by_beats = march(model, beats=2)
    fine = march(model, 2.0 * cycle, dt=cycle / 8000, save_every=20)
    assert bool(by_beats.ok)
    for name in ("systemic_arteries", "left_ventricle"):
        coarse, exact = (
            np.asarray(r.observed.pressure[name]) for r in (by_beats, fine)
        )
        told = np.interp(fine.t, by_beats.t, coarse)
        # two grids of about 1 and 2 ms read off by lines: 0.2 mmHg at dp/dt max
        assert np.abs(told - exact).max() < 0.3, name
