"""Breathing, and what it does to pulse pressure and stroke volume."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from cordax.bench import ventilation as bench
from physio import settle
from physio.hemodynamics.circulation import CirculationInputs
from physio.hemodynamics.indices.beat import UNITS
from physio.hemodynamics.indices.respiratory_variation import (
    BreathBeats,
    smooth_over_breath,
    variation,
    variation_of_beats,
)
from physio.hemodynamics.loops.regazzoni import regazzoni
from physio.hemodynamics.ventilation import Ventilation
from physio.inputs import constant
from physio.parameters import replace

VEINS, LUNG = "systemic_veins.pleural_share", "pulmonary_veins.lung_share"


@pytest.mark.parametrize("rate", [10.0, 17.0, 31.0])
def test_lung_volume_is_continuous_periodic_and_has_the_schedules_mean(rate):
    breath = Ventilation(560.0, rate, offset=0.3)
    period = 60.0 / rate
    times = jnp.linspace(0.0, 2.0 * period, 8001)
    volume = np.asarray(jax.vmap(breath.volume)(times))
    # the steepest slope, VT / (ti (1 - e^(-TI/ti))), is below 3 VT a second
    assert np.abs(np.diff(volume)).max() < 3 * 560.0 * 2 * period / 8000
    np.testing.assert_allclose(volume[:4001], volume[4000:], atol=1e-9)
    assert np.ptp(volume) == pytest.approx(560.0, rel=1e-3)
    pleural, lung = breath.mean()
    mean = volume[:4000].mean()
    # 200 midpoints against 4000 samples of a curve with two corners
    assert float(pleural) == pytest.approx(0.7355591 * mean / 220.0, rel=2e-3)
    assert float(lung) == pytest.approx(0.7355591 * mean / 105.0, rel=2e-3)


def test_the_smooth_is_the_series_it_was_made_of_and_drops_the_third_when_fast():
    smooth = jax.jit(smooth_over_breath)
    phase = jnp.asarray(np.random.default_rng(1).uniform(size=60))
    value = 50.0 + 3.0 * jnp.cos(2 * jnp.pi * phase) + jnp.sin(6 * jnp.pi * phase)
    even = jnp.arange(240) / 240
    exact = 50.0 + 3.0 * jnp.cos(2 * jnp.pi * even) + jnp.sin(6 * jnp.pi * even)
    one = jnp.ones(60)
    slow = smooth(phase, value, one, jnp.asarray(10.0))
    np.testing.assert_allclose(slow, exact, atol=1e-5)
    fast = smooth(phase, value, one, jnp.asarray(31.0))
    assert float(jnp.abs(fast - exact).max()) > 0.5


def invented(rate, share=0.1):
    """Three offsets of beats at 60/min whose size follows the breath by a cosine."""
    onset = jnp.arange(40)[None] + jnp.array([[0.0], [1 / 3], [2 / 3]])
    size = 1.0 + 0.5 * share * jnp.cos(2 * jnp.pi * onset * rate / 60.0)
    return BreathBeats(onset, 50.0 * size, 80.0 * size)


@pytest.fixture(scope="module")
def of_beats():
    compiled = eqx.filter_jit(variation_of_beats)
    return lambda beats, rate: compiled(beats, jnp.asarray(rate), jnp.asarray(True))


def test_both_definitions_know_a_cosine(of_beats):
    found = of_beats(invented(10.0), 10.0)
    assert bool(found.ok)
    assert float(found.pulse_pressure_variation) == pytest.approx(10.0, rel=1e-3)
    assert float(found.stroke_volume_variation) == pytest.approx(10.0, rel=1e-3)
    assert float(found.peak_phase) in (0.0, 239 / 240, 1 / 240)
    # six beats a breath: the classic definition misses some of the extremes
    assert 9.0 < float(found.classic_pulse_pressure_variation) <= 10.01


def test_beats_that_hold_no_whole_breath_are_not_well(of_beats):
    assert not bool(of_beats(invented(1.0), 1.0).ok)


def test_one_offset_is_refused():
    with pytest.raises(ValueError, match="3 offsets or more; got 1"):
        variation(bench.ventilated(bench.frozen_population())[0], Ventilation(),
                  offsets=1)  # fmt: skip


def test_settle_holds_ventilation_at_its_mean(record_property):
    """When the breath began does not matter; what it is on average does."""
    model = regazzoni()

    def state(breath):
        world = CirculationInputs(ventilation=breath)
        periodic = settle(model, world, steps_per_beat=200)
        assert bool(periodic.ok)
        return np.asarray(ravel_pytree(periodic.state)[0])

    breath = Ventilation(480.0, 12.0)
    now, later = state(breath), state(replace(breath, "offset", 1.3))
    np.testing.assert_allclose(now, later, atol=1e-6)
    np.testing.assert_allclose(now, state(constant(breath.mean())), atol=1e-6)
    deeper = state(replace(breath, "tidal_volume", 960.0))
    assert np.abs(now - deeper).max() > 1.0
    pooled = inspect.signature(variation).parameters["offsets"].default
    record_property("offsets", pooled)
    assert pooled >= 3


def test_variations_have_units():
    assert UNITS["pulse_pressure_variation"] == "%"
    assert UNITS["stroke_volume_variation"] == "%"


@eqx.filter_jit
def swept(model, veins, lung, volume, rate):
    circulation, breath = model

    def one(row):
        veins, lung, volume, rate = row
        here = replace(replace(circulation, VEINS, veins), LUNG, lung)
        world = replace(replace(breath, "tidal_volume", volume), "rate", rate)
        return variation(here, world, discard=12, beats=30, steps_per_beat=200)

    # compiles in two thirds of the time of a vmap
    return jax.lax.map(one, (veins, lung, volume, rate))


@pytest.fixture(scope="module")
def sweep():
    """No breath; 4, 8 and 12 mL/kg at rate 10; 8 at 31; 8 unsqueezed at 10 and 31."""
    model = bench.ventilated(bench.frozen_population())
    own = model[0].compartments
    veins = float(own["systemic_veins"].pleural_share)
    lung = float(own["pulmonary_veins"].lung_share)
    rows = [
        (veins, lung, 0.0, 10.0),
        (veins, lung, 280.0, 10.0),
        (veins, lung, 560.0, 10.0),
        (veins, lung, 840.0, 10.0),
        (veins, lung, 560.0, 31.0),
        (0.0, 0.0, 560.0, 10.0),
        (0.0, 0.0, 560.0, 31.0),
    ]
    found = swept(model, *jnp.array(rows).T)
    assert bool(found.ok.all())
    return found


def test_without_a_breath_nothing_varies(sweep):
    # what is left is the search for the periodic beat, 1e-8
    assert float(sweep.pulse_pressure_variation[0]) < 1e-5
    assert float(sweep.stroke_volume_variation[0]) < 1e-5


def test_variation_rises_with_tidal_volume(sweep):
    for values in (sweep.pulse_pressure_variation, sweep.stroke_volume_variation):
        assert (np.diff(np.asarray(values)[:4]) > 1.0).all()


def test_squeezing_keeps_the_variation_at_a_high_rate_and_without_it_is_lost(sweep):
    size = np.asarray(sweep.pulse_pressure_variation)
    assert 0.79 < size[4] / size[2] < 0.92
    # the broken sibling: pleural pressure on the heart alone
    assert size[6] / size[5] < 0.5
