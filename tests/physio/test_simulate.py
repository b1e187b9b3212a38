"""Runs agree with each other, with mathematics and with their derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio import AbstractSystem, Augmented, get, march, replace, settle, simulate
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.periodic import periodic_beat

core = pytest.mark.core  # all but what takes long to compile
STEPS = 200


class Decay(AbstractSystem):
    """dy/dt = -y + sin t, whose solution is known."""

    def initial_state(self):
        return {"y": jnp.asarray(1.0)}

    def forcing(self, t, inputs):
        return {"drive": jnp.sin(t)}

    def rate(self, forcing, t, y, inputs):
        return {"y": forcing["drive"] - y["y"]}

    def observe(self, t, y, inputs):
        return {"twice": 2.0 * y["y"]}


def exact(t):
    return 1.5 * np.exp(-t) + 0.5 * (np.sin(t) - np.cos(t))


@core
def test_fixed_steps_converge_at_fourth_order():
    errors = []
    for dt in (0.2, 0.1, 0.05):
        run = march(Decay(), 4.0, dt=dt)
        errors.append(np.abs(run.y["y"] - exact(np.asarray(run.t))).max())
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(slopes > 3.8), slopes
    assert np.allclose(run.observed["twice"], 2.0 * run.y["y"])


@core
def test_adaptive_steps_meet_their_tolerance():
    run = simulate(Decay(), jnp.linspace(0.0, 4.0, 9), rtol=1e-9, atol=1e-9)
    assert bool(run.ok)
    assert np.abs(run.y["y"] - exact(np.asarray(run.t))).max() < 1e-7


@core
def test_an_exhausted_solver_is_not_ok():
    run = simulate(Decay(), jnp.linspace(0.0, 4.0, 9), rtol=1e-9, max_steps=3)
    assert not bool(run.ok)


@core
def test_march_keeps_every_few_states():
    every = march(Decay(), 1.0, dt=0.1)
    few = march(Decay(), 1.0, dt=0.1, save_every=5)
    assert np.array_equal(few.y["y"], every.y["y"][::5])
    assert np.allclose(few.t, every.t[::5])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"t": 1.0},
        {"t": 1.05, "dt": 0.1},
        {"beats": 2},
        {"t": 1.0, "dt": 0.1, "beats": 1},
    ],
)
@core
def test_impossible_runs_are_refused(options):
    with pytest.raises(ValueError):
        march(Decay(), **options)


@pytest.fixture(scope="module")
def model():
    return regazzoni()


def mean_pressure(model, adjoint_state=None):
    periodic = settle(model, steps_per_beat=STEPS)
    beat = periodic_beat(periodic, steps_per_beat=STEPS)
    return jnp.mean(beat.observed.pressure["systemic_arteries"])


NAMES = (
    "rhythm.rate",
    "systemic.resistance",
    "left_ventricle.active_elastance",
    "blood_volume",
)


def changed(model, values):
    for name, value in zip(NAMES, values, strict=True):
        model = replace(model, name, value)
    return model


@core
def test_settle_reaches_the_periodic_beat(model):
    periodic = settle(model, steps_per_beat=STEPS)
    assert bool(periodic.ok) and float(periodic.residual) < 1e-8
    assert int(periodic.iterations) <= 3
    beat = periodic_beat(periodic, steps_per_beat=STEPS)
    ends = jax.tree.map(lambda x: float(abs(x[-1] - x[0])), beat.y)
    assert max(jax.tree.leaves(ends)) < 1e-8


def test_derivatives_through_settle_agree_with_finite_differences(model):
    """Forward, reverse and central differences on the same grid, to 1e-6 relative."""
    x = jnp.stack([get(model, name) for name in NAMES])

    @jax.jit
    def f(x):
        return mean_pressure(changed(model, x))

    forward, reverse = jax.jacfwd(f)(x), jax.jacrev(f)(x)
    steps = 1e-5 * x
    central = jnp.stack(
        [
            (f(x.at[i].add(h)) - f(x.at[i].add(-h))) / (2 * h)
            for i, h in enumerate(steps)
        ]
    )
    assert np.allclose(forward, central, rtol=1e-6)
    assert np.allclose(forward, reverse, rtol=1e-9)


@core
def test_a_batch_equals_a_loop(model):
    resistances = jnp.array([0.7, 0.8, 1.0])

    def run(resistance):
        return mean_pressure(replace(model, "systemic.resistance", resistance))

    batch = jax.jit(jax.vmap(run))(resistances)
    loop = [float(run(r)) for r in resistances]
    assert np.allclose(batch, loop, rtol=1e-10)


@core
def test_a_zero_correction_equals_the_base(model):
    def nothing(t, y, inputs):
        return jax.tree.map(jnp.zeros_like, y)

    same = Augmented(model, nothing, lambda x: x)
    a = settle(model, steps_per_beat=STEPS).state
    b = settle(same, steps_per_beat=STEPS).state
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.allclose(left, right, rtol=0, atol=1e-10)
    assert float(get(same, "systemic.resistance")) == 0.8


@core
def test_float32_circulations_are_refused(model):
    small = jax.tree.map(
        lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, model
    )
    with pytest.raises(ValueError, match="cordax.setup"):
        settle(small)


def test_fixed_and_adaptive_runs_agree_over_a_beat(model):
    start = settle(model, steps_per_beat=STEPS).state
    t = jnp.linspace(0.0, 60.0 / 72.0, 21)
    run = simulate(model, t, y0=start, rtol=1e-8, atol=1e-8)
    beat = march(model, beats=1, y0=start, steps_per_beat=800)
    for name in ("left_ventricle", "systemic_arteries"):
        at = np.interp(t, beat.t, beat.observed.pressure[name])
        assert np.abs(run.observed.pressure[name] - at).max() < 0.05
