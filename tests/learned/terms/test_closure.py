"""A learned law starts as the published one, stays monotone, is part of the model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from learned.blocks.curve import MonotoneMap
from learned.blocks.ranges import Range
from learned.terms.closure import (
    LearnedActivation,
    LearnedReflex,
    LearnedVessel,
    outside,
)
from physio import get, parameters, replace, settle
from physio.hemodynamics.control.autoregulation import Autoregulated
from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.elements.chambers import ElastanceChamber, TwoCosine
from physio.hemodynamics.elements.vessels import ElasticVessel, Vein
from physio.hemodynamics.loops.states import named_state
from physio.hemodynamics.treatments import haemorrhage, vasopressor
from physio.rhythm import Timing
from physio.system import Periodic, Trajectory

FILLING = Range(("filling_pressure",), ("mmHg",), jnp.array([1.0]), jnp.array([11.0]))
DEVIATION = Range(("deviation",), ("mmHg",), jnp.array([-40.0]), jnp.array([30.0]))
RATE = Range(("heart_rate",), ("1/min",), jnp.array([50.0]), jnp.array([110.0]))
STEPS = 100
ROUND_OFF = 1e-9  # of volumes in mL after Newton: 1e-16 x 5400 mL, and room


def hybrid(model):
    """A circulation with all three laws replaced by closures."""
    veins = LearnedVessel.of(get(model, "systemic_veins"), FILLING)
    model = replace(model, "systemic_veins", veins)
    model = replace(model, "reflex", LearnedReflex.of(model.reflex, DEVIATION))
    shape = LearnedActivation.of(get(model, "ventricles"), RATE)
    return replace(model, "ventricles", shape)


def learned(model):
    return (
        get(model, "systemic_veins").curve.weights,
        model.reflex.weights,
        model.reflex.log_share,
        get(model, "ventricles").curve.weights,
    )


@pytest.fixture(scope="module")
def base():
    return named_state("healthy_man")


@pytest.fixture(scope="module")
def runs(base):
    """Periodic states, derivatives along a direction of the weights: at birth, bled at
    birth, at random weights and a step to either side of those; and all volumes."""
    start, step = hybrid(base), 1e-4
    flat, unravel = ravel_pytree(learned(start))
    middle, direction = np.random.default_rng(0).normal(0.0, 0.3, (2, flat.size))

    def one(weights, lost):
        def state(weights):
            model = eqx.tree_at(learned, start, unravel(weights))
            periodic = settle(haemorrhage(lost)(model), steps_per_beat=STEPS)
            full = periodic.system.volumes(
                periodic.system.forcing(jnp.asarray(0.0), None), periodic.state
            )
            found = ravel_pytree((periodic.state, periodic.unknowns))[0]
            return found, (periodic.ok, full)

        return jax.jvp(state, (weights,), (jnp.asarray(direction),), has_aux=True)

    weights = jnp.stack(
        [0.0 * flat, 0.0 * flat, *(middle + k * step * direction for k in (-1, 0, 1))]
    )
    many = jax.jit(jax.vmap(one))
    found, slope, (ok, full) = many(weights, jnp.array([0.0, 300.0, 0.0, 0.0, 0.0]))
    assert bool(ok.all())
    return np.asarray(found), np.asarray(slope), step, jax.tree.map(np.asarray, full)


@pytest.mark.slow
def test_at_birth_the_periodic_beat_is_the_base_s(base, runs):
    for k, lost in ((0, 0.0), (1, 300.0)):
        periodic = settle(haemorrhage(lost)(base), steps_per_beat=STEPS)
        wanted = ravel_pytree((periodic.state, periodic.unknowns))[0]
        assert np.abs(runs[0][k] - wanted).max() < ROUND_OFF
    # broken sibling: other weights are seen in the same states
    assert np.abs(runs[0][3] - runs[0][0]).max() > 1.0


@pytest.mark.slow
def test_derivatives_are_those_of_differences(runs):
    found, slope, step, _ = runs
    difference = (found[4] - found[2]) / (2.0 * step)
    # the corners of valves limit the agreement of a beat's derivative at 100 steps
    error = np.abs(slope[3] - difference).max()
    assert error < 1e-3 * np.abs(difference).max()
    # broken sibling: the derivative elsewhere is another
    assert np.abs(slope[0] - difference).max() > 0.1 * np.abs(difference).max()


@pytest.mark.slow
def test_blood_is_conserved_in_the_periodic_beat(base, runs):
    total = sum(runs[3].values())
    blood = float(base.blood_volume) - np.array([0.0, 300.0, 0.0, 0.0, 0.0])
    # ten volumes added up: a few round-offs
    assert np.allclose(total, blood, rtol=1e-14)


@pytest.fixture(scope="module")
def full_rates(base):
    """Rates of all volumes at ten times, by vector of weights; and the base's."""
    start = hybrid(base)
    flat, unravel = ravel_pytree(learned(start))
    times = jnp.linspace(0.0, 0.9, 10)

    def rates(model):
        def at(t):
            forcing, y = model.forcing(t, None), model.initial_state()
            change, _ = model.full_rate(
                forcing, model.volumes(forcing, y), y.connection
            )
            return jnp.stack(list(change.values()))

        lower = {"mean_pressure": base.reflex.set_point - 20.0}
        model = model.regulated(lower)
        return jax.vmap(at)(times)

    both = jax.jit(
        lambda w: (rates(eqx.tree_at(learned, start, unravel(w))), rates(base))
    )
    return lambda seed: tuple(
        np.asarray(x)
        for x in both(
            0.0 * flat
            if seed is None
            else np.random.default_rng(seed).normal(0.0, 2.0, flat.size)
        )
    )


def test_at_birth_the_hybrid_is_the_base(full_rates):
    born, published = full_rates(None)
    # exp and log of the reflex's factors: round-off of flows of about 1000 mL/s
    assert np.abs(born - published).max() < 1e-9
    # broken sibling: other weights are seen
    assert np.abs(full_rates(3)[0] - published).max() > 1.0


def test_volume_is_conserved(full_rates):
    """The unreduced rates of a hybrid with random weights sum to zero."""
    change = full_rates(3)[0]
    size = np.abs(change).sum(axis=1)
    assert (np.abs(change.sum(axis=1)) < 1e-12 * size).all()
    # broken sibling: one compartment left out
    assert (np.abs(change[:, 1:].sum(axis=1)) > 1e-3 * size).any()


@pytest.mark.parametrize("convex", [False, True])
def test_a_map_rises_for_any_weights(convex):
    u = jnp.linspace(-0.5, 1.5, 401)
    weights = np.random.default_rng(1).normal(0.0, 2.0, (100, 9))

    @jax.jit
    @jax.vmap
    def rises(weights):
        curve = MonotoneMap(weights, convex)
        return jnp.diff(u + jax.vmap(curve.displacement)(u))

    steps = np.asarray(rises(jnp.asarray(weights)))
    assert steps.min() > 0.0
    inside = steps[:, 100:300]
    bends = np.diff(inside, axis=1).min()
    # round-off of differences of numbers of order 1
    assert (bends > -1e-12) if convex else (bends < -1e-4)
    outside = np.concatenate([steps[:, :99], steps[:, 301:]], axis=1)
    assert np.allclose(outside, u[1] - u[0], rtol=1e-9)
    # broken sibling: slopes that may be negative
    straight = np.cumsum(1.0 + weights, axis=1)
    assert np.diff(straight, axis=1).min() < 0.0


@pytest.mark.parametrize("convex", [False, True])
def test_a_map_is_onto_and_grows_from_its_birth(convex):
    at = jnp.array([0.0, 0.3, 0.5, 1.0, 7.0])

    @jax.jit
    def moved(weights):
        def displacement(weights):
            curve = MonotoneMap(weights, convex)
            return jax.vmap(curve.displacement)(at)

        return displacement(weights), jax.jacfwd(displacement)(weights)

    born, slope = map(np.asarray, moved(jnp.zeros(9)))
    assert (born == 0.0).all() and np.abs(slope[1, 1:]).max() > 1e-3
    bent = np.asarray(moved(jnp.arange(9.0) - 4.0)[0])
    assert np.abs(bent[[0, 3, 4]]).max() < 1e-15
    assert np.abs(bent[[1, 2]]).min() > 0.01


def test_projection_brings_dead_weights_back():
    weights = jnp.array([1.0, -1.0, 0.5])
    assert np.array_equal(MonotoneMap(weights).projected().weights, weights)
    kept = MonotoneMap(weights, convex=True).projected()
    assert np.array_equal(kept.weights, [1.0, 0.0, 0.5])
    reflex = LearnedReflex.of(Baroreflex(0.0), DEVIATION)
    dead = eqx.tree_at(lambda r: r.weights, reflex, reflex.weights - 1.0)
    assert np.array_equal(dead.projected().weights, reflex.weights)


@pytest.mark.parametrize(
    "vessel", [ElasticVessel(90.0, 3000.0), Vein(90.0, 20.0, 3000.0)]
)
def test_a_vessel_is_passive_and_published_outside(vessel):
    hybrid = LearnedVessel.of(vessel, FILLING)
    weights = jnp.asarray(np.random.default_rng(2).normal(0.0, 1.0, 9))
    bent = eqx.tree_at(lambda v: v.curve.weights, hybrid, weights)
    volume = jnp.linspace(2700.0, 4400.0, 300)

    def pressures(law):
        at = eqx.filter_jit(
            lambda law: jax.vmap(lambda v: law.transmural_pressure(v, {}))(volume)
        )
        return np.asarray(at(law))

    # compiled apart: a round-off of pressures of about 10 mmHg
    assert np.abs(pressures(hybrid) - pressures(vessel)).max() < 1e-13
    assert (np.diff(pressures(bent)) > 0.0).all()
    excess = np.asarray(jax.vmap(bent.excess)(volume))
    outside, apart = excess > 0.0, np.abs(pressures(bent) - pressures(vessel))
    assert 20 < outside.sum() < 280
    assert apart[outside].max() < 1e-12 and apart[~outside].max() > 0.1
    assert excess[0] == pytest.approx((1.0 - (2700.0 - 3000.0) / 90.0) / 10.0)


def test_names_and_treatments_look_through(base):
    model = hybrid(base)
    assert set(parameters(base)) == set(parameters(model))
    treated = vasopressor(1.2)(model)
    before, after = (
        get(m, "systemic_veins.unstressed_volume") for m in (model, treated)
    )
    assert float(after - before) == pytest.approx(-120.0)
    assert float(get(replace(model, "reflex.gain", 0.1), "reflex.gain")) == 0.1
    lower = model.regulated({"mean_pressure": base.reflex.set_point - 20.0})
    plain = base.regulated({"mean_pressure": base.reflex.set_point - 20.0})
    for name in base.reflex_acts_on[:4] + ("rhythm.rate",):
        # exp and log of a factor: a few round-offs
        assert float(get(lower, name)) == pytest.approx(
            float(get(plain, name)), rel=1e-14
        )
        assert float(get(lower, name)) != float(get(base, name))


@pytest.mark.parametrize("reflex", [Baroreflex(0.0, 92.0), Baroreflex(0.8, 92.0)])
def test_a_reflex_is_monotone_for_any_weights(reflex):
    pressure = jnp.linspace(20.0, 180.0, 161)
    hybrid = LearnedReflex.of(reflex, DEVIATION)
    draws = np.random.default_rng(3).normal(0.0, 1.0, (100, 50))

    @jax.jit
    @jax.vmap
    def curves(draw):
        law = eqx.tree_at(
            lambda r: (r.log_share, r.weights),
            hybrid,
            (draw[:5], draw[5:].reshape(5, 9)),
        )
        return jnp.stack(jax.vmap(law.effects)(pressure), axis=-1)

    effects = np.asarray(curves(jnp.asarray(draws)))
    signs = np.array([-1.0, -1.0, -1.0, -1.0, 1.0])
    assert (np.diff(effects, axis=1) * signs >= 0.0).all()
    at_rest = effects[:, 72]  # 92 mmHg
    assert np.allclose(at_rest, [1.0, 1.0, 1.0, 1.0, 0.0], atol=1e-12)
    assert np.ptp(effects[:, 0], axis=0).min() > 0.01
    born = np.asarray(curves(jnp.zeros((1, 50))))[0]
    published = np.stack(jax.vmap(reflex.effects)(pressure), axis=-1)
    assert np.allclose(born, published, rtol=1e-14)
    # broken sibling: with a weight of the other sign an effect turns round
    turned = effects[0] * np.linspace(1.0, -1.0, 161)[:, None]
    assert not (np.diff(turned, axis=0) * signs >= 0.0).all()


def test_a_reflex_of_no_gain_can_grow():
    hybrid = LearnedReflex.of(Baroreflex(0.0, 92.0), DEVIATION)
    shift = eqx.filter_jit(lambda r: r.effects(jnp.asarray(70.0)).unstressed_volume)
    slope = eqx.filter_grad(shift)(hybrid)
    assert np.abs(slope.weights[4]).max() > 10.0
    assert float(hybrid.excess(jnp.asarray(45.0))) == pytest.approx(0.1)
    assert float(hybrid.excess(jnp.asarray(100.0))) == 0.0
    tissues = LearnedReflex.of(Autoregulated(), DEVIATION)
    assert float(tissues.set_point) == 92.0


def test_an_activation_keeps_its_corners_and_fades():
    law = TwoCosine("ventricles")
    hybrid = LearnedActivation.of(law, RATE)
    bent = eqx.tree_at(lambda a: a.curve.weights, hybrid, jnp.linspace(-1.0, 1.0, 9))
    cycle, since = jnp.asarray(0.8), jnp.linspace(0.0, 0.79, 80)

    def shape(law, cycle):
        at = eqx.filter_jit(
            lambda law, cycle: jax.vmap(lambda s: law(Timing(s, cycle)))(since)
        )
        return np.asarray(at(law, cycle))

    assert np.array_equal(shape(hybrid, cycle), shape(law, cycle))
    assert np.array_equal(bent.corners(cycle), law.corners(cycle))
    moved, kept = shape(bent, cycle), shape(law, cycle)
    assert np.abs(moved - kept).max() > 0.05
    assert moved.min() >= 0.0 and moved.max() <= 1.0 + 1e-15
    assert (np.sign(np.diff(moved)) == np.sign(np.diff(kept))).all()
    fast = jnp.asarray(60.0 / 117.0)
    assert float(bent.excess(60.0 / fast)) == pytest.approx(7.0 / 60.0)
    assert np.array_equal(shape(bent, fast), shape(law, fast))


def test_every_closure_says_how_far_outside_it_was_asked(base):
    model = replace(hybrid(base), "rhythm.rate", 116.0)
    t, y = jnp.linspace(0.0, 0.5, 6), model.initial_state()
    seen = jax.vmap(lambda t: model.observe(t, y, None))(t)
    beat = Trajectory(t, y, seen, jnp.asarray(True))
    none = jnp.zeros(())
    unknowns = {"mean_pressure": base.reflex.set_point - 47.0}
    held = Periodic(model, y, unknowns, none, jnp.asarray(0), jnp.asarray(True))
    found = outside(held, beat)
    assert set(found) == {"systemic_veins", "ventricles", "reflex"}
    assert float(found["systemic_veins"]) == 0.0
    assert float(found["ventricles"]) == pytest.approx(0.1)
    assert float(found["reflex"]) == pytest.approx(0.1)
    wide = haemorrhage(1500.0)(model)
    emptied = jax.vmap(lambda t: wide.observe(t, y, None))(t)
    low = outside(held, Trajectory(t, y, emptied, jnp.asarray(True)))
    assert float(low["systemic_veins"]) > 0.5


def test_bad_input():
    with pytest.raises(ValueError, match="has no compliance. Wrap an ElasticVessel"):
        LearnedVessel.of(ElastanceChamber("atria"), FILLING)
    with pytest.raises(
        ValueError, match="deviation in mmHg; the range is of heart_rate"
    ):
        LearnedReflex.of(Baroreflex(), RATE)
    aside = Range(("deviation",), ("mmHg",), jnp.array([5.0]), jnp.array([9.0]))
    with pytest.raises(ValueError, match="Widen the range"):
        LearnedReflex.of(Baroreflex(), aside)
    with pytest.raises(ValueError, match="got 1"):
        LearnedVessel.of(Vein(), FILLING, intervals=1)
    empty = Range(("filling_pressure",), ("mmHg",), jnp.array([5.0]), jnp.array([5.0]))
    with pytest.raises(ValueError, match="is no range"):
        LearnedVessel.of(Vein(), empty)
