"""A learned gate is a gate: within 0 and 1, in any cell, and readable from a clamp."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.terms.clamp import ClampRecord, followed, gate_from_clamp
from learned.terms.ion_channel import COEFFICIENTS, Gated, LearnedGate
from physio import get, parameters
from physio.electrophysiology.cells import (
    MitchellSchaeffer2003,
    TenTusscher2006,
    rush_larsen,
)
from physio.electrophysiology.cells.cell import changed, relaxed

VOLTAGES = (-90.0, 45.0)
GATE = LearnedGate.of("slow", half=-5.0, steepness=1 / 14, tau=300.0, voltages=VOLTAGES)
ROUND_OFF = 1e-12  # of voltages near 100 mV over some 1000 steps


def random_gate(key):
    """A gate of random kinetics, time constants over four decades."""
    a, b, c = jax.random.split(key, 3)
    return eqx.tree_at(
        lambda g: (g.half, g.steepness, g.log_tau),
        GATE,
        (
            60.0 * jax.random.normal(a, ()),
            0.2 * jax.random.normal(b, ()),
            jnp.log(100.0) * jnp.eye(COEFFICIENTS)[0]
            + 2.0 * jax.random.normal(c, (COEFFICIENTS,)),
        ),
    )


def test_any_gate_stays_within_0_and_1():
    """100 random gates under voltages far outside of the range, from both ends."""
    gates = jax.vmap(random_gate)(jax.random.split(jax.random.key(0), 100))
    v = 300.0 * jax.random.normal(jax.random.key(1), (50,))

    @jax.vmap
    def extremes(gate):
        def step(x, v):
            x = relaxed(x, gate.kinetics(v), 5.0)
            return x, x

        return jax.lax.scan(step, jnp.array([0.0, 1.0]), v[:, None])[1]

    x = extremes(gates)
    # an exponential average of numbers in 0 ... 1 rounds at the last digit
    assert float(x.min()) >= -1e-15 and float(x.max()) <= 1 + 1e-15
    tau = jax.vmap(lambda g: g.tau(v))(gates)
    assert float(tau.min()) > 0.0
    # the check can fail: the same gates stepped forward, as no gate of a cell is
    first = jax.vmap(lambda g: 5.0 * (g.steady(v) - 0.5) / g.tau(v))(gates)
    assert float(jnp.abs(first).max()) > 1.0


def test_time_constant_is_a_series_and_constant_outside():
    gate = random_gate(jax.random.key(3))
    v = np.linspace(*VOLTAGES, 41)
    u = 2 * (v - VOLTAGES[0]) / (VOLTAGES[1] - VOLTAGES[0]) - 1
    series = np.polynomial.chebyshev.chebval(u, np.asarray(gate.log_tau))
    # numpy's sum of the same terms: round-off
    assert np.asarray(gate.tau(jnp.asarray(v))) == pytest.approx(
        np.exp(series), rel=1e-12
    )
    edge = gate.tau(jnp.asarray(VOLTAGES))
    beyond = gate.tau(jnp.array([-500.0, 500.0]))
    assert np.asarray(beyond) == pytest.approx(np.asarray(edge), rel=1e-12)


@pytest.mark.parametrize("make", [TenTusscher2006, MitchellSchaeffer2003])
def test_a_gated_cell_is_its_base(make):
    """Rates, currents and gates of the base, to the last digit, at a random state."""
    base = make()
    cell = Gated(base, (GATE,))
    y = base.initial_state()
    y = changed(y, v=y.v + 0.3)
    whole = changed(
        cell.initial_state(),
        **{name: getattr(y, name) for name in vars(y)},
        slow=jnp.asarray(0.7),
    )
    assert cell.currents(whole) == base.currents(y)
    assert cell.rates(whole, jnp.asarray(1.0)) == base.rates(y, jnp.asarray(1.0))
    gates = cell.gates(whole)
    assert {k: gates[k] for k in base.gates(y)} == base.gates(y)
    assert set(gates) - set(base.gates(y)) == {"slow"}
    assert cell.current(whole) == base.current(y)
    assert (cell.threshold, cell.slow, cell.excitation) == (
        base.threshold, base.slow, base.excitation,
    )  # fmt: skip
    assert set(parameters(cell)) == set(parameters(base))


def test_one_state_class_for_all_cells_of_a_kind():
    one = Gated(TenTusscher2006(), (GATE,)).initial_state()
    two = Gated(TenTusscher2006(sodium=10.0), (GATE,)).initial_state()
    assert type(one) is type(two)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert float(one.slow) == pytest.approx(float(GATE.steady(one.v)))
    assert float(get(Gated(TenTusscher2006(sodium=10.0), (GATE,)), "sodium")) == 10.0


def test_a_followed_cell_lacks_nothing_of_its_own_and_all_of_what_was_taken():
    """Followed along its own voltage nothing is missing; without a current, that is."""
    whole, less = TenTusscher2006(), TenTusscher2006(slow_rectifier=0.0)
    dt, n = 0.05, 400
    given = jnp.where(jnp.arange(n) < 20, 52.0, 0.0)

    def step(y, given):
        new = rush_larsen(whole, y, 0.0, given, dt)
        return new, (y.v, whole.currents(y)["i_ks"])

    last, (v, current) = jax.lax.scan(step, whole.initial_state(), given)
    v = jnp.append(v, last.v)
    own = followed(whole, whole.initial_state(), v, given, dt)
    # a difference of voltages near 100 mV over 0.05 ms: 1e-14 x 100 / 0.05
    assert float(jnp.abs(own.missing).max()) < 1e-10
    assert own.states.v.shape == (n + 1,)
    lost = followed(less, less.initial_state(), v, given, dt)
    # potassium is no longer lost through it: E_K differs by 1e-5 mV after 20 ms
    assert np.asarray(lost.missing) == pytest.approx(np.asarray(current), abs=1e-5)
    assert float(jnp.abs(lost.missing).max()) > 1e-3


def clamp(gate, power, noise=0.0):
    t = np.arange(0.0, 1200.0, 20.0)
    steps = np.arange(-80.0, 46.0, 12.5)
    up = [np.where(t < 20, -80.0, v) for v in steps]
    down = [np.where(t < 600, 30.0, v) for v in steps]
    v = np.array(up + down)
    x, current = np.asarray(gate.steady(jnp.asarray(v[:, 0]))), []
    for column in v.T:
        current.append(0.4 * x**power * (column + 72.0))
        x = np.asarray(relaxed(jnp.asarray(x), gate.kinetics(jnp.asarray(column)), 20))
    clean = np.array(current).T
    rng = np.random.default_rng(0)
    return ClampRecord(t, v, clean + noise * rng.standard_normal(clean.shape))


def test_a_clamp_gives_the_gate_back():
    curved = eqx.tree_at(
        lambda g: g.log_tau,
        LearnedGate.of("slow", half=-5.0, steepness=1 / 14, tau=150.0,
                       voltages=(-80.0, 45.0)),
        jnp.zeros(COEFFICIENTS).at[:5].set(jnp.array([5.2, 0.6, -0.3, -0.1, 0.05])),
    )  # fmt: skip
    record = clamp(curved, 2, noise=0.05)
    fit = gate_from_clamp("slow", record, powers=(1, 2))
    assert fit.power == 2
    # the noise itself, of 1320 samples: 2 % is its own sd, 16 of them are fitted
    assert fit.errors[2] == pytest.approx(0.05, rel=0.1)
    assert fit.errors[1] > 3 * fit.errors[2]
    # the voltages held; -80 and -67.5 mV lie at the reversal, where no current shows
    v = jnp.arange(-55.0, 46.0, 12.5)
    # 15 % is what a recovered current is held to; the noise allows a fifth of it
    ratio = np.asarray(fit.gate.tau(v) / curved.tau(v))
    assert ratio == pytest.approx(np.ones(v.size), abs=0.03)
    assert np.asarray(fit.gate.steady(v)) == pytest.approx(
        np.asarray(curved.steady(v)), abs=0.01
    )
    assert fit.reversal == pytest.approx(-72.0, abs=0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tau": 0.0}, "tau 0.0 ms, which is > 0"),
        ({"tau": np.nan}, "tau nan ms"),
        ({"steepness": 0.0}, "has no gate"),
        ({"voltages": (40.0, -90.0)}, "state.v: 40 to -90 is no range"),
    ],
)
def test_a_gate_that_is_none_is_refused(options, said):
    given = {"half": -5.0, "steepness": 0.1, "tau": 100.0, "voltages": VOLTAGES}
    with pytest.raises(ValueError, match=said):
        LearnedGate.of("slow", **(given | options))


def test_names_that_are_taken_are_refused():
    taken = LearnedGate.of("xs", half=0.0, steepness=0.1, tau=1.0, voltages=VOLTAGES)
    with pytest.raises(ValueError, match="has not; got xs"):
        Gated(TenTusscher2006(), (taken,))
    with pytest.raises(ValueError, match="got slow, slow"):
        Gated(TenTusscher2006(), (GATE, GATE))


def test_clamps_that_tell_nothing_are_refused():
    record = clamp(GATE, 1)
    nothing = np.full_like(record.current, np.nan)
    for change, said in (
        ({"current": nothing}, "currents hold NaN"),
        ({"v": np.zeros_like(record.v)}, "several voltages"),
        ({"current": record.current[:2]}, r"\(n_sweep, n_t\)"),
    ):
        (name, value), *_ = change.items()
        # the shapes' own check is for developers; tree_at passes it by
        broken = eqx.tree_at(lambda r, n=name: getattr(r, n), record, value)
        with pytest.raises(ValueError, match=said):
            gate_from_clamp("slow", broken)


@pytest.mark.parametrize("steepness", [1 / 14, -1 / 14])
def test_a_gate_opens_the_way_its_steepness_says(steepness):
    """Above 0 it opens as the voltage rises, below 0 it closes: 1 / (1 + exp(...))."""
    gate = LearnedGate.of(
        "slow", half=-5.0, steepness=steepness, tau=300.0, voltages=VOLTAGES
    )
    v = jnp.array([-89.0, -19.0, -5.0, 9.0, 44.0])
    wanted = 1.0 / (1.0 + np.exp((-5.0 - np.asarray(v)) * steepness))
    assert np.asarray(gate.steady(v)) == pytest.approx(wanted, rel=1e-12)
    assert np.asarray(gate.kinetics(v).steady) == pytest.approx(wanted, rel=1e-12)
    rises = np.diff(wanted) > 0
    assert rises.all() == (steepness > 0) and (~rises).all() == (steepness < 0)
