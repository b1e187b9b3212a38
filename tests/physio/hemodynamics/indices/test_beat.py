"""Indices of one beat against beats whose answer is known from their shape."""

import jax.numpy as jnp
import numpy as np
import pytest

from physio.hemodynamics.indices.beat import _relaxation_time, _work


def rectangle(edv=120.0, esv=50.0, pressure=100.0, n=200):
    """A loop that fills at 0 mmHg and ejects at one pressure, from end-diastole on."""
    corners = [(edv, 0.0), (edv, pressure), (esv, pressure), (esv, 0.0), (edv, 0.0)]
    v, p = np.concatenate(
        [
            np.linspace(a, b, n, endpoint=False)
            for a, b in zip(corners, corners[1:], strict=False)
        ]
        + [np.array(corners[-1:])]
    ).T
    return jnp.linspace(0.0, 0.8, v.size), jnp.asarray(p), jnp.asarray(v)


def test_work_and_potential_energy_of_a_rectangle():
    """Suga 1981: the area is the loop and the triangle under the end-systolic line.

    100 mmHg x 70 mL, and half of 100 mmHg x (50 - 10) mL.
    """
    t, p, v = rectangle()
    found = _work(t, p, v, jnp.asarray(10.0), jnp.asarray(70.0))
    assert float(found["stroke_work"]) == pytest.approx(7000.0)
    # the corner is a sample, so nothing is rounded off
    assert float(found["pressure_volume_area"]) == pytest.approx(9000.0)
    assert float(found["work_efficiency"]) == pytest.approx(100.0 * 7.0 / 9.0)
    assert float(found["end_systolic_elastance"]) == pytest.approx(100.0 / 40.0)
    assert float(found["arterial_elastance"]) == pytest.approx(100.0 / 70.0)
    assert float(found["ea_ees_ratio"]) == pytest.approx(40.0 / 70.0)


END_DIASTOLIC, FIRST, SECOND = 10.0, 0.040, 0.080  # mmHg; s of the two decays


def relaxing():
    """A pressure (mmHg) by ms that falls with tau 40 ms from 100 to 25, 15 above the
    end-diastolic pressure, and with tau 80 ms below; filling begins at 12."""
    t = np.arange(0.0, 0.8, 1e-4)
    since = np.maximum(t - 0.3, 0.0)
    turn = FIRST * np.log(100.0 / 25.0)
    late = 25.0 * np.exp(-np.maximum(since - turn, 0.0) / SECOND)
    p = np.where(since < turn, 100.0 * np.exp(-since / FIRST), late)
    p = np.where(t < 0.3, END_DIASTOLIC + 90.0 * np.sin(0.5 * np.pi * t / 0.3), p)
    return t, np.where((t > 0.3) & (p < 12.0), 12.0, p), turn


def regression(turn, until):
    """-1 / slope of ln p over time from the steepest fall to a pressure."""
    last = turn + SECOND * np.log(25.0 / until) if until < 25.0 else turn
    t = np.linspace(0.0, last, 20_001)
    log_p = np.where(t < turn, -t / FIRST, -turn / FIRST - (t - turn) / SECOND)
    return -1.0 / np.polyfit(t, log_p, 1)[0]


def test_relaxation_is_followed_to_5_mmhg_above_end_diastole():
    """Weiss 1976: from the steepest fall to 5 mmHg above end-diastolic pressure."""
    t, p, turn = relaxing()
    slope, middle = np.diff(p) / np.diff(t), 0.5 * (t[1:] + t[:-1])
    columns = (jnp.asarray(x) for x in (t, p, slope, middle))
    found = float(_relaxation_time(*columns))
    wanted = regression(turn, END_DIASTOLIC + 5.0)
    # 0.1 ms between samples, over 96 ms
    assert found == pytest.approx(wanted, rel=2e-3)
    # ending 15 mmHg above would see the first decay alone
    assert regression(turn, END_DIASTOLIC + 15.0) == pytest.approx(FIRST)
    assert wanted > 1.1 * FIRST
