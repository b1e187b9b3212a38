"""Pacing, what an action potential measures, restitution, alternans, the table."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from physio.electrophysiology import cells
from physio.electrophysiology.cells import protocols


def trapezoid(t: np.ndarray) -> np.ndarray:
    """-80 mV, up to 20 mV at 10-11 ms, straight down from 20 ms to 120 ms."""
    return np.interp(t, [0, 10, 11, 20, 120, 200], [-80, -80, 20, 20, -80, -80])


def test_durations_of_a_trapezoid_are_exact():
    t = np.arange(0.0, 200.0, 0.5)
    found = cells.action_potential(t, trapezoid(t))
    assert np.isclose(found.rest, -80) and np.isclose(found.peak, 20)
    assert np.isclose(found.upstroke, 100)
    # the steepest sample is the first of two equal ones: half of 0.5 ms early at most
    start = float(found.start)
    assert 10.0 <= start <= 11.0
    for figure, fallen in (("apd30", 30), ("apd50", 50), ("apd90", 90)):
        # the fall takes 1 ms a mV; round-off of the interpolation
        assert np.isclose(getattr(found, figure), 20 + fallen - start, atol=1e-9)


def test_a_voltage_that_stays_up_has_no_duration():
    t = np.arange(0.0, 100.0, 0.5)
    found = cells.action_potential(t, trapezoid(t))
    assert np.isnan(found.apd90) and np.isfinite(found.apd30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(cycle_length=1000.005), "cycle_length is a whole number of steps"),
        (dict(save_every=0.003), "save_every is a whole number of steps"),
        (dict(beats=0), "At least one beat"),
        (dict(stimulus=(0.5, 0.001)), "stimulus is a whole number of steps"),
    ],
)
def test_pacing_refuses_times_that_are_not_whole_steps(options, message):
    given = {"cycle_length": 1000.0, "beats": 1} | options
    with pytest.raises(ValueError, match=message):
        cells.pace(cells.bueno_orovio_2008(), **given)


def test_five_beats_are_two_and_three_and_lanes_are_a_loop():
    cell = cells.AlievPanfilov1996()
    whole = cells.pace(cell, 400.0, 5, dt=0.02)
    first = cells.pace(cell, 400.0, 2, dt=0.02)
    last = cells.pace(
        cell, 400.0, 3, dt=0.02, y0=jax.tree.map(lambda x: x[-1], first.y)
    )
    assert np.array_equal(whole.y.v, last.y.v)
    assert bool(whole.ok) and whole.t[-1] == 400.0
    # lanes: the order of operations may differ by round-off, which a beat keeps small
    lanes = jax.tree.map(lambda x: jnp.full(2, x), cell.initial_state())
    both = cells.pace(cell, 400.0, 5, dt=0.02, y0=lanes)
    assert np.allclose(both.y.v, np.asarray(whole.y.v)[:, None], atol=1e-9)
    batch = eqx.filter_vmap(lambda c: cells.pace(c, 400.0, 5, dt=0.02).y.v)(
        jax.tree.map(lambda x: jnp.stack([x, x]), cell)
    )
    assert np.allclose(batch, np.asarray(whole.y.v)[None], atol=1e-9)


def test_one_program_serves_every_cycle_length_and_stimulus():
    cell = cells.CorradoNiederer2016()
    cells.pace(cell, 400.0, 2, dt=0.02, save_every=0.5)
    before = protocols._run._cached._cache_size()
    for cycle, stimulus in ((350.0, None), (500.0, (0.6, 2.0))):
        cells.pace(cell, cycle, 7, dt=0.02, save_every=0.5, stimulus=stimulus)
    assert protocols._run._cached._cache_size() == before
    cells.pace(cell, 400.0, 2, dt=0.02, save_every=0.1)  # more rows: another program
    assert protocols._run._cached._cache_size() == before + 1


def test_a_steady_state_repeats_and_float32_is_refused():
    cell = cells.AlievPanfilov1996()
    steady = cells.to_steady_state(cell, 400.0, tolerance=1e-9, dt=0.02)
    assert steady.ok and steady.change < 1e-9 and steady.beats < 100
    again = cells.pace(cell, 400.0, 1, dt=0.02, y0=steady.state)
    for a, b in zip(
        jax.tree.leaves(again.y), jax.tree.leaves(steady.state), strict=True
    ):
        assert np.isclose(a[-1], b, rtol=1e-8)
    short = cells.to_steady_state(cell, 400.0, tolerance=0.0, max_beats=10, dt=0.02)
    assert not short.ok and short.beats == 10
    small = jax.tree.map(lambda x: x.astype(jnp.float32), cell)
    with pytest.raises(ValueError, match=r"float64.*cordax\.setup"):
        cells.to_steady_state(small)


def test_the_midpoint_step_is_of_second_order_and_the_plain_one_of_first():
    cell = cells.AlievPanfilov1996()

    def at(dt: float, step) -> float:
        beat = cells.pace(cell, 64.0, 1, dt=dt, step=step, save_every=0.5)
        return float(beat.y.v[60])

    for step, order in ((cells.midpoint, 2.0), (cells.rush_larsen, 1.0)):
        coarse, middle, fine = (at(dt, step) for dt in (0.1, 0.05, 0.025))
        slope = np.log2(abs(coarse - middle) / abs(middle - fine))
        # asymptotic to 10 % at these steps
        assert abs(slope - order) < 0.2, (step, slope)


def increasing(curve: cells.Restitution) -> bool:
    found = np.asarray(curve.apd)[np.isfinite(curve.apd)]
    return found.size > 3 and bool((np.diff(found) > 0).all())


@pytest.mark.slow
def test_ten_tusscher_restitution_has_the_published_shape():
    # APD at DI of another code (LGPL), as printed in its restitution file for TP06 epi:
    # its stimulus and level differ, its APD is 8 % below the 303 ms of the CellML model
    di = [50.0, 99.0, 201.0, 400.0, 690.0]
    apd = np.array([176.5, 213.4, 253.6, 276.3, 280.6])
    cell = cells.ten_tusscher_2006()
    pauses = [300.0, 355.0, 400.0, 500.0, 700.0, 990.0]
    curve = cells.s1s2(cell, 1000.0, pauses, beats=2, dt=0.02)
    assert increasing(curve)
    assert np.isnan(curve.apd[0])  # on the refractory tail
    assert np.all(np.diff(curve.diastolic[1:]) > 0)
    at = np.interp(di, np.asarray(curve.diastolic[1:]), np.asarray(curve.apd[1:]))
    ratio = at / apd
    # the shape: the same curve but for one factor, to 3 %
    assert np.allclose(ratio / ratio.mean(), 1.0, atol=0.03), ratio
    backwards = eqx.tree_at(lambda c: c.apd, curve, curve.apd[::-1])
    assert not increasing(backwards)


def test_alternans_begins_where_restitution_is_steeper_than_one():
    # Mitchell 2003: the map APD = tau_close ln(h / h_min), h = 1 - (1 - h_min)
    # exp(-DI / tau_open), h_min = 4 tau_in / tau_out, has slope 1 at DI = 70, APD = 153
    # ms; with the 44 ms of upstroke and fall that the map leaves out, a cycle of 267 ms
    cell = cells.MitchellSchaeffer2003()
    difference, curve = cells.alternans(
        cell, [280.0, 320.0, 360.0, 400.0], beats=30, dt=0.02, stimulus=(0.5, 1.0)
    )
    assert difference[0] > 5.0
    assert (difference[1:] < 0.2).all()
    assert (np.diff(curve.apd[1:]) > 0).all()


def test_the_restitution_of_mitchell_schaeffer_follows_its_map():
    cell = cells.MitchellSchaeffer2003()
    curve = cells.s1s2(cell, 800.0, [350.0, 400.0, 500.0, 700.0], beats=3, dt=0.02)
    low = 4 * 0.3 / 6.0
    h = 1 - (1 - low) * np.exp(-np.asarray(curve.diastolic) / 120.0)
    left_out = np.asarray(curve.apd) - 150 * np.log(h / low)
    # leading order in tau_in / tau_close: the fall, some tau_out, is the same for all
    assert np.ptp(left_out) < 5.0 and 0 < left_out.mean() < 60.0
    slower = np.asarray(curve.apd) - 180 * np.log(h / low)
    assert np.ptp(slower) > 10.0
    assert increasing(curve)


@pytest.mark.slow
def test_one_call_gives_the_table():
    cell = cells.bueno_orovio_2008()
    table = cells.table(
        cell, 600.0, beats=3, dt=0.02,
        intervals=[350.0, 400.0, 500.0], cycle_lengths=[400.0, 500.0, 600.0],
    )  # fmt: skip
    assert {"rest", "peak", "upstroke", "apd30", "apd50", "apd90"} <= set(table)
    assert table["t"].shape == table["v"].shape
    assert "calcium_low" not in table
    for name in ("s1s2", "dynamic"):
        assert (np.diff(table[f"{name}_apd"]) > 0).all()
    assert (table["dynamic_alternans"] < 1.0).all()


@pytest.mark.slow
def test_ten_tusscher_in_float32_at_a_double_step_keeps_its_duration():
    cell = cells.ten_tusscher_2006()
    small = jax.tree.map(lambda x: x.astype(jnp.float32), cell)
    found = []
    for one, dt in ((cell, 0.01), (small, 0.02)):
        # the tissue's step, in both
        beat = cells.pace(one, 500.0, 3, dt=dt, step=cells.rush_larsen, save_every=0.5)
        assert beat.y.v.dtype == one.sodium.dtype
        found.append(float(cells.action_potential(beat.t, beat.y.v).apd90))
    assert abs(found[1] / found[0] - 1) < 0.01, found


@pytest.mark.parametrize("bad", [[], [0.0], [300.0, -1.0]])
def test_intervals_are_a_list_of_positive_times(bad):
    with pytest.raises(ValueError, match="list of positive times"):
        cells.s1s2(cells.bueno_orovio_2008(), 600.0, bad)
    with pytest.raises(ValueError, match="list of positive times"):
        cells.dynamic(cells.bueno_orovio_2008(), bad)
