"""A residual: nothing at birth, bounded, conserving, and told when out of range."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.blocks.network import cubic, network
from learned.blocks.ranges import MARGIN, Range
from learned.terms.residual import NeuralResidual, neural_residual, without_residual
from physio import augment, get, march, scale, settle, simulate
from physio.hemodynamics.exchange import Exchange, exchange
from physio.hemodynamics.loops.states import named_state
from physio.periodic import periodic_beat

STEPS = 150
KEY = jax.random.key(11)
BOX = Range(
    ("pressure.systemic_veins", "parameter.systemic.resistance"),
    ("mmHg", "mmHg s/mL"),
    np.array([2.0, 0.3]),
    np.array([14.0, 2.0]),
)
FLOWS = {"veins to atrium": ("mL/s", 25.0), "arteries to veins": ("mL/s", 15.0)}


@pytest.fixture(scope="module")
def base():
    return named_state("healthy_man", reflex=False)


def hybrid_of(base, box=BOX):
    residual = neural_residual(box, FLOWS, key=KEY)
    paths = (
        ("systemic_veins", "right_atrium"),
        ("systemic_arteries", "systemic_veins"),
    )
    return augment(base, residual, exchange(base, *paths))


def weighty(hybrid, size=0.5):
    """The hybrid with a last layer that is not zero."""
    last = lambda h: h.correction.network.weights[-1]  # noqa: E731 (a tree_at lens)
    return eqx.tree_at(last, hybrid, size * jax.random.normal(KEY, last(hybrid).shape))


@pytest.fixture(scope="module")
def trained(base):
    return weighty(hybrid_of(base))


@pytest.mark.parametrize(
    "make", [hybrid_of, lambda base: without_residual(weighty(hybrid_of(base)))]
)
def test_at_birth_and_silenced_the_hybrid_is_its_base(base, make):
    a = settle(base, steps_per_beat=STEPS)
    b = settle(make(base), steps_per_beat=STEPS)
    for x, y in zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True):
        assert np.array_equal(x, y)


def test_a_residual_changes_the_beat_and_conserves_blood(base, trained):
    a = periodic_beat(settle(base, steps_per_beat=STEPS), steps_per_beat=STEPS)
    found = settle(trained, steps_per_beat=STEPS)
    b = periodic_beat(found, steps_per_beat=STEPS)
    assert bool(found.ok)
    change = (
        b.observed.pressure["systemic_veins"] - a.observed.pressure["systemic_veins"]
    )
    assert float(jnp.abs(change).max()) > 0.05
    # the unreduced rates: what leaves one compartment enters another
    y = found.state
    flow = trained.correction.value(base, jnp.asarray(0.1), y, None)
    change = np.asarray(trained.into.matrix) @ np.asarray(flow)
    assert abs(change.sum()) < 1e-12 and np.abs(change).max() > 1.0


def test_an_exchange_that_loses_blood_is_refused(base):
    good = exchange(base, ("systemic_veins", "right_atrium"))
    rows = [list(row) for row in good.matrix]
    rows[good.compartments.index("right_atrium")][0] = 0.5
    with pytest.raises(ValueError, match="Blood would not be conserved"):
        Exchange(good.compartments, tuple(map(tuple, rows)), good.implied)
    with pytest.raises(ValueError, match="a row per compartment"):
        Exchange(good.compartments[1:], good.matrix, good.implied)
    with pytest.raises(KeyError, match="'spleen' is not a compartment"):
        exchange(base, ("spleen", "right_atrium"))


def test_outputs_are_bounded_by_their_scale_for_any_weights():
    net = network(3, np.array([2.0, 0.1]), key=KEY)
    wild = jax.tree.map(lambda w: 2.0 * jax.random.normal(KEY, w.shape), net.weights)
    wild = eqx.tree_at(lambda n: n.weights, net, wild)
    x = jax.random.uniform(KEY, (500, 3), minval=-1.0)
    out = np.abs(jax.vmap(wild)(x))
    assert (out <= np.array([[2.0, 0.1]])).all()
    assert out.max() > 1.0  # weights this large reach the bound
    calm = wild.projected(1.0)
    slopes = jax.vmap(jax.jacfwd(calm))(x)
    steepest = np.linalg.norm(slopes, axis=2).max(axis=0)
    assert (steepest <= np.asarray(calm.steepest()) + 1e-12).all()
    assert (np.asarray(calm.steepest()) <= np.array([2.0, 0.1]) + 1e-12).all()
    wild_slopes = np.linalg.norm(jax.vmap(jax.jacfwd(wild))(x), axis=2).max(axis=0)
    assert (wild_slopes > steepest).any()


def test_the_cubic_is_smooth_bounded_and_not_steeper_than_one():
    x = jnp.linspace(-3.0, 3.0, 601)
    slope = jax.vmap(jax.grad(cubic))(x)
    assert float(cubic(x).max()) == 1.0 and float(slope.max()) <= 1.0
    assert float(slope.min()) >= 0.0
    assert float(jnp.abs(jnp.diff(slope)).max()) < 0.03  # no jump of the slope


def test_sums_written_out_equal_the_network():
    net = network(2, np.array([3.0]), key=KEY)
    net = eqx.tree_at(lambda n: n.weights[-1], net, jnp.ones((1, 16)))
    x = jax.random.normal(KEY, (7, 2))
    (out,) = net.per_node((x[:, 0], x[:, 1]))
    assert np.allclose(out, jax.vmap(net)(x)[:, 0], rtol=1e-12)


def test_the_gate_closes_smoothly_outside_the_range():
    # widths of 12 and 1.7: steps outside are in widths
    inside = jnp.array([8.0, 1.0])
    assert float(BOX.gate(inside)) == 1.0
    steps = np.linspace(0.0, 2 * MARGIN, 41)
    out = jnp.stack([jnp.array([14.0 + 12.0 * s, 1.0]) for s in steps])
    gates = np.asarray(BOX.gate(out))
    assert gates[0] == 1.0 and (gates[steps >= MARGIN + 1e-9] == 0.0).all()
    assert (np.diff(gates) <= 0.0).all() and np.abs(np.diff(gates)).max() < 0.1
    assert np.allclose(BOX.excess(out)[:, 0], steps)


def test_beyond_the_range_the_base_answers_and_the_flag_rises(base):
    far = Range(BOX.names, BOX.units, BOX.lower + 60.0, BOX.upper + 60.0)
    away = weighty(hybrid_of(base, far))
    a, b = (settle(m, steps_per_beat=STEPS) for m in (base, away))
    for x, y in zip(jax.tree.leaves(a.state), jax.tree.leaves(b.state), strict=True):
        assert np.allclose(x, y, rtol=0, atol=1e-9)
    beat = periodic_beat(b, steps_per_beat=STEPS)
    assert beat.within is not None and float(beat.within.max()) == 0.0
    assert periodic_beat(a, steps_per_beat=STEPS).within is None


def test_within_the_range_the_flag_stays_down(trained):
    beat = periodic_beat(settle(trained, steps_per_beat=STEPS), steps_per_beat=STEPS)
    assert beat.within is not None and float(beat.within.min()) == 1.0


def test_fixed_steps_hold_the_network_and_agree_with_adaptive_ones(base, trained):
    start = settle(trained, steps_per_beat=STEPS)
    fixed = march(trained, beats=1, y0=start.state, steps_per_beat=400, save_every=40)
    exact = simulate(trained, fixed.t, y0=start.state, rtol=1e-9, atol=1e-9)
    plain = march(base, beats=1, y0=start.state, steps_per_beat=400, save_every=40)
    for name in ("systemic_veins", "systemic_arteries"):
        a, b, c = (x.observed.pressure[name] for x in (fixed, exact, plain))
        effect = float(jnp.abs(b - c).max())
        # held over a step it is of first order: half a step of its own change
        assert float(jnp.abs(a - b).max()) < 0.02 * effect
        assert effect > 0.01


def test_a_network_is_evaluated_once_per_step(trained):
    # four evaluations a step would show as products of (16, 16) in the program
    text = str(
        jax.make_jaxpr(
            lambda y: (
                eqx.filter_jit(march)(
                    trained, beats=1, y0=y, steps_per_beat=STEPS, save_every=STEPS
                ).y
            )
        )(trained.initial_state())
    )
    assert text.count("f64[16,16]") > 0
    products = [line for line in text.splitlines() if "dot_general" in line]
    # three layers in the step; the flag at saved times reads inputs alone
    assert len(products) == 3


def test_interventions_and_gradients_pass_through(base, trained):
    wider = scale("systemic.resistance", 0.8)(trained)
    assert float(get(wider, "systemic.resistance")) == pytest.approx(
        0.8 * float(get(base, "systemic.resistance"))
    )

    last = lambda h: h.correction.network.biases[-1]  # noqa: E731 (a tree_at lens)

    @eqx.filter_jit
    def pressure(h):
        model = eqx.tree_at(last, trained, last(trained).at[0].add(h))
        beat = periodic_beat(settle(model, steps_per_beat=STEPS), steps_per_beat=STEPS)
        return jnp.mean(beat.observed.pressure["systemic_arteries"])

    zero, one = jnp.zeros(()), jnp.ones(())
    _, slope = jax.jvp(pressure, (zero,), (one,))
    h = 1e-4
    difference = (float(pressure(zero + h)) - float(pressure(zero - h))) / (2 * h)
    # truncation of the central difference: h^2
    assert float(slope) == pytest.approx(difference, rel=1e-5)


def test_misnamed_inputs_list_what_there_is(base):
    box = Range(("pressure.spleen",), ("mmHg",), np.zeros(1), np.ones(1))
    with pytest.raises(KeyError, match="systemic_veins"):
        settle(hybrid_of(base, box), steps_per_beat=STEPS)


def test_ranges_refuse_what_they_cannot_be():
    x = np.array([[1.0, 2.0], [1.0, 3.0]])
    with pytest.raises(ValueError, match="a is 1 in all 2 samples"):
        Range.of(("a", "b"), ("1", "1"), x)
    with pytest.raises(ValueError, match="b: 1 of 2 values are not finite"):
        Range.of(("a", "b"), ("1", "1"), np.array([[1.0, np.nan], [2.0, 3.0]]))
    with pytest.raises(ValueError, match="one column each"):
        Range.of(("a",), ("1",), x)
    with pytest.raises(ValueError, match="is no range"):
        Range(("a",), ("1",), np.ones(1), np.zeros(1)).check()
    with pytest.raises(ValueError, match="a name, a unit and two bounds"):
        Range(("a", "b"), ("1",), np.zeros(2), np.ones(2)).check()
    with pytest.raises(ValueError, match="scale bounds what the network may add"):
        network(1, np.array([0.0]), key=KEY)


def test_a_correction_knows_its_type(trained):
    assert isinstance(trained.correction, NeuralResidual)
    assert trained.correction.units == ("mL/s", "mL/s")
