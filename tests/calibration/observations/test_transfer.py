"""The transfer element keeps the mean, amplifies the pulse and delays it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.observations.transfer import (
    GRID,
    Transfer,
    arterial,
    at_phase,
    harmonics,
    published,
    transferred,
    uniform,
)

PERIOD = 0.85


def aortic_beat(n=401):
    """A smooth pulse with a fast upstroke and a slow fall, at uneven times."""
    phase = np.linspace(0.0, 1.0, n) ** 1.2
    t = jnp.asarray(PERIOD * phase)
    shape = np.exp(-(((phase - 0.3) / 0.09) ** 2)) + 0.5 * np.exp(
        -(((phase - 0.5) / 0.17) ** 2)
    )
    return t, jnp.asarray(72.0 + 38.0 * shape)


@pytest.mark.parametrize("site", ["radial", "brachial", "femoral"])
def test_the_mean_is_kept_and_the_pulse_amplified_as_published(site):
    t, aorta = aortic_beat()
    there = arterial(t, aorta, published()[site])
    ratio = float(there["pulse_pressure"] / (aorta.max() - aorta.min()))
    # the mean is that of the samples: H(0) = 1 exactly
    np.testing.assert_allclose(
        there["mean_pressure"], uniform(t, aorta).mean(), rtol=1e-9
    )
    # published amplification in adults at rest (see `published`), with its spread
    assert 1.05 < ratio < 1.45
    assert abs(float(there["diastolic_pressure"] - aorta.min())) < 4.0


def test_a_transfer_that_loses_the_mean_would_be_noticed():
    t, aorta = aortic_beat()
    leaky = 0.98 * transferred(t, aorta, published()["radial"])
    assert abs(float(leaky.mean() - uniform(t, aorta).mean())) > 1.0


def test_without_reflection_the_beat_only_comes_later():
    t, aorta = aortic_beat()
    there = transferred(t, aorta, Transfer(PERIOD / 8, 0.0, 0.02))
    # 0.02 mmHg: harmonics above the fortieth are left out
    np.testing.assert_allclose(there, jnp.roll(uniform(t, aorta), GRID // 8), atol=0.02)


def test_the_series_returns_the_beat_at_any_phase():
    t, aorta = aortic_beat()
    phase = jnp.asarray([0.1, 0.37, 0.9, 1.1])
    wanted = jnp.interp(phase % 1.0 * PERIOD, t, aorta)
    np.testing.assert_allclose(at_phase(harmonics(t, aorta), phase), wanted, atol=0.02)


def test_the_resonance_is_at_a_quarter_wave():
    tube = Transfer(0.06, 0.4, 1e-6)
    frequency = jnp.linspace(0.1, 8.0, 400)
    gain = jnp.abs(tube.response(frequency))
    assert float(frequency[gain.argmax()]) == pytest.approx(1 / (4 * 0.06), rel=0.01)
    assert float(gain.max()) == pytest.approx(1.4 / 0.6, rel=1e-3)


def test_it_is_differentiable():
    t, aorta = aortic_beat()

    def systolic(delay):
        return arterial(t, aorta, Transfer(delay, 0.26, 0.02))["systolic_pressure"]

    # through the constructor a traced number passes: the slope against a difference
    slope = jax.grad(systolic)(jnp.asarray(0.06))
    central = (systolic(0.06 + 1e-6) - systolic(0.06 - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, central, rtol=1e-5)


def test_a_cuff_reads_systolic_low_and_diastolic_high():
    t, aorta = aortic_beat()
    sites = published()
    cuff, arm = arterial(t, aorta, sites["cuff"]), arterial(t, aorta, sites["brachial"])
    assert float(cuff["systolic_pressure"] - arm["systolic_pressure"]) == -6.0
    assert float(cuff["diastolic_pressure"] - arm["diastolic_pressure"]) == 6.0
