"""What every cell must do, whatever its equations."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physio import augment, get, parameters, replace, scale
from physio.electrophysiology import cells
from physio.electrophysiology.cells import changed, rush_larsen

#: every entry of the catalogue, in its second layer where it has some
CELLS = {
    name: entry.make(entry.layers[1] if entry.layers else "")
    for name, entry in cells.CATALOGUE.items()
}
#: dimensionless voltages: 0 at rest, about 1.5 at most
DIMENSIONLESS = {
    name
    for name, entry in cells.CATALOGUE.items()
    if entry.voltage_scale_offset != (1.0, 0.0)
}
#: gates by construction only: shares of a release, a flux (mM/ms)
NOW = jnp.zeros(())
NOT_A_SHARE = {"jrel", "jrelp"}

every_cell = pytest.mark.parametrize("name", CELLS)


def voltages(name: str, count: int) -> np.ndarray:
    low, high = (-0.1, 1.6) if name in DIMENSIONLESS else (-120.0, 80.0)
    return np.linspace(low, high, count)


def spread(cell: Any, name: str, count: int = 64) -> Any:
    """The start at many voltages, the paper's singular ones among them.

    One count for all: JAX compiles every operation once per shape.
    """
    start = cell.initial_state()
    v = voltages(name, count)
    if name not in DIMENSIONLESS and count > 20:
        special = (-47.13, -40.0, -14.1, -10.0, 0.0, 3.3328, 7.9, 15.0, 19.9, 31.4978)
        v[: len(special)] = special
    y = jax.tree.map(lambda x: jnp.full(count, x), start)
    return changed(y, v=jnp.asarray(v, start.v.dtype))


def in_float32(tree: Any) -> Any:
    return jax.tree.map(
        lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, tree
    )


@every_cell
def test_every_parameter_states_unit_and_source(name):
    found = parameters(CELLS[name])
    arrays = [x for x in jax.tree.leaves(CELLS[name]) if eqx.is_array(x)]
    assert len(found) == len(arrays) > 0
    for one in found.values():
        assert one.unit and "10." in one.source or "CellML" in one.source, one


@every_cell
def test_state_gates_and_rates_name_every_variable_once(name):
    cell = CELLS[name]
    y = cell.initial_state()
    named = ["v", *cell.gates(y), *cell.rates(y, NOW)]
    fields = [field.name for field in dataclasses.fields(y)]
    assert fields[0] == "v"
    assert sorted(named) == sorted(fields)
    assert set(cell.slow) <= set(fields)


def out_of_range(cell: Any, y: Any) -> list[str]:
    """Gates whose steady state leaves [0, 1] or whose time is not positive."""
    gates = {k: gate for k, gate in cell.gates(y).items() if k not in NOT_A_SHARE}
    # d of ToR-ORd overshoots by the print: 1.0763 exp(...) reaches 1.0001 at 31.5 mV
    # w of Bueno-Orovio by 1 - v / tau_w_inf where v < 0
    top = {"d": 1.001, "w": np.inf}
    return [
        k
        for k, gate in gates.items()
        if not (
            (np.asarray(gate.steady) >= 0).all()
            and (np.asarray(gate.steady) <= top.get(k, 1.0)).all()
            and (np.asarray(gate.tau) > 0).all()
        )
    ]


@every_cell
def test_gates_tend_into_the_unit_interval(name):
    cell = CELLS[name]
    assert out_of_range(cell, spread(cell, name)) == []


def test_the_interval_check_can_fail():
    cell = replace(CELLS["corrado_niederer_2016"], "opening_time", -1.0)
    assert out_of_range(cell, spread(cell, "corrado_niederer_2016")) == ["h"]


@every_cell
def test_float32_stays_float32_and_finite_from_minus_120_to_80_mv(name):
    cell = in_float32(CELLS[name])
    wide = spread(CELLS[name], name)
    y = spread(cell, name)
    assert {x.dtype for x in jax.tree.leaves(y)} == {jnp.dtype("float32")}
    after = rush_larsen(cell, y, jnp.zeros_like(y.v), 0.0, 0.01)
    exact = rush_larsen(CELLS[name], wide, jnp.zeros_like(wide.v), 0.0, 0.01)
    for field in dataclasses.fields(after):
        got = np.asarray(getattr(after, field.name))
        assert got.dtype == np.float32, field.name
        want = np.asarray(getattr(exact, field.name))
        # 1e-4 of a variable's size: sums of currents cancel, thresholds may flip; a
        # gate near zero is a difference of numbers near one, of 1e-7 each
        floor = 1e-6 if field.name in cell.gates(y) else 0.0
        off = np.abs(got - want) > 1e-4 * np.abs(want).max() + floor
        assert np.isfinite(got).all() and off.mean() < 0.05, field.name


@every_cell
def test_the_rate_has_a_finite_gradient_at_singular_voltages(name):
    cell = in_float32(CELLS[name])
    y = spread(cell, name)

    def rates(v: Any) -> Any:
        return cell.rate(jnp.zeros_like(v), NOW, changed(y, v=v), None)

    _, slopes = jax.jvp(rates, (y.v,), (jnp.ones_like(y.v),))
    for field in dataclasses.fields(slopes):
        assert np.isfinite(getattr(slopes, field.name)).all(), field.name


@pytest.mark.parametrize("name", ["bueno_orovio_2008", "corrado_niederer_2016"])
def test_a_batch_and_a_node_axis_equal_a_loop(name):
    cell = CELLS[name]
    y = spread(cell, name, 3)
    field = "fast_time" if name == "bueno_orovio_2008" else "inward_time"
    value = get(cell, field)
    factors = jnp.array([1.0, 0.5, 2.0])
    per_node = dataclasses.replace(cell, **{field: value * factors})

    def step(cell: Any, y: Any) -> Any:
        return rush_larsen(cell, y, jnp.zeros_like(y.v), 1.0, 0.01)

    tissue = step(per_node, y)
    one = [
        step(
            replace(cell, field, value * factors[k]),
            jax.tree.map(lambda x, k=k: x[k], y),
        )
        for k in range(3)
    ]
    batch = jax.vmap(
        lambda f, y: step(dataclasses.replace(cell, **{field: value * f}), y)
    )(factors, y)
    for got in (tissue, batch):
        for k in range(3):
            for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(one[k]), strict=True):
                # the order of a sum may differ by round-off
                assert np.isclose(a[k], b, rtol=1e-12, atol=1e-15)


def nothing(t: Any, y: Any, inputs: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, y)


def hyperpolarising(t: Any, y: Any, inputs: Any) -> Any:
    return 0.3 * y.m


def into_voltage(current: Any) -> dict[str, Any]:
    return {"v": -current}


@pytest.mark.parametrize("name", ["bueno_orovio_2008", "ten_tusscher_2006"])
def test_a_zero_correction_equals_the_cell(name):
    cell = CELLS[name]
    same = augment(cell, nothing, lambda x: x)
    y = spread(cell, name)
    zero = jnp.zeros_like(y.v)
    for left, right in (
        (rush_larsen(same, y, zero, 1.0, 0.01), rush_larsen(cell, y, zero, 1.0, 0.01)),
        (same.rate(zero, NOW, y, None), cell.rate(zero, NOW, y, None)),
        (same.current(y), cell.current(y)),
        (same.fast_current(y), cell.fast_current(y)),
    ):
        for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            # round-off of one added zero
            assert np.allclose(a, b, rtol=1e-14, atol=1e-300)
    assert (same.excitation, same.slow) == (cell.excitation, cell.slow)
    assert (same.threshold, same.stimulus) == (cell.threshold, cell.stimulus)


def test_a_learned_current_enters_the_voltage_and_nothing_else():
    cell = CELLS["ten_tusscher_2006"]
    hybrid = augment(cell, hyperpolarising, into_voltage)
    y = spread(cell, "ten_tusscher_2006")
    zero = jnp.zeros_like(y.v)
    extra = 0.3 * y.m
    assert np.allclose(hybrid.current(y), cell.current(y) + extra, rtol=1e-14)
    assert np.allclose(hybrid.currents(y)["correction"], extra, rtol=1e-14)
    a = rush_larsen(hybrid, y, zero, 0.0, 0.01)
    b = rush_larsen(cell, y, -extra, 0.0, 0.01)
    c, d = hybrid.rate(zero, NOW, y, None), cell.rate(-extra, NOW, y, None)
    for left, right in ((a, b), (changed(c, ki=d.ki), d)):
        for x, z in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
            assert np.allclose(x, z, rtol=1e-12, atol=1e-14)
    # an intervention written for the cell applies to the hybrid
    blocked = scale("sodium", 0.5)(hybrid)
    assert np.allclose(blocked.fast_current(y), 0.5 * cell.fast_current(y))


def test_a_correction_reaches_gates_and_concentrations():
    cell = CELLS["ten_tusscher_2006"]

    def towards_half(t, y, inputs):
        # small enough for the gate's steady state to stay within 0 and 1
        return 1e-3 * (0.5 - cell.gates(y)["m"].steady)

    hybrid = augment(cell, towards_half, lambda x: {"m": x, "nai": x})
    y = spread(cell, "ten_tusscher_2006")
    extra = towards_half(0.0, y, None)
    gate, plain = hybrid.gates(y)["m"], cell.gates(y)["m"]
    assert np.allclose(
        (gate.steady - y.m) / gate.tau, (plain.steady - y.m) / plain.tau + extra
    )
    zero = jnp.zeros_like(y.v)
    assert np.allclose(hybrid.rates(y, zero)["nai"], cell.rates(y, zero)["nai"] + extra)
    assert np.allclose(
        hybrid.rate(zero, NOW, y, None).m, cell.rate(zero, NOW, y, None).m + extra
    )


def test_a_corrected_gate_stays_within_0_and_1():
    cell = CELLS["ten_tusscher_2006"]
    y = spread(cell, "ten_tusscher_2006")
    for push, end in ((1e4, 1.0), (-1e4, 0.0)):
        pushed = augment(cell, lambda t, y, i, p=push: p + 0 * y.v, lambda r: {"m": r})
        assert np.array_equal(pushed.gates(y)["m"].steady, np.full(y.v.shape, end))
        after = rush_larsen(pushed, y, jnp.zeros_like(y.v), 0.0, 0.5)
        assert ((after.m >= 0.0) & (after.m <= 1.0)).all()
        # without the bound the gate would have left
        free = cell.gates(y)["m"]
        assert (np.abs(free.steady + free.tau * push - 0.5) > 0.5).all()


def test_a_correction_that_uses_the_time_is_nan_in_tissue_not_silently_early():
    hybrid = augment(
        CELLS["bueno_orovio_2008"], lambda t, y, i: jnp.sin(t) + 0 * y.v, into_voltage
    )
    y = hybrid.initial_state()
    assert np.isnan(rush_larsen(hybrid, y, 0.0, 0.0, 0.01).v)
    assert np.isfinite(hybrid.rate(NOW, NOW, y, None).v)


@pytest.mark.parametrize(
    "build",
    [
        cells.bueno_orovio_2008, cells.bueno_orovio_2008_cellml,
        cells.ten_tusscher_2006, cells.tor_ord_2019,
    ],
)  # fmt: skip
def test_an_unknown_layer_lists_the_layers(build):
    with pytest.raises(ValueError, match="epi, .*got 'mid'|endo, .*got 'mid'"):
        build("mid")


@pytest.mark.parametrize(
    ("layer", "names"),
    [("epi", ["w_voltage"]), ("endo", ["h_voltage", "w_voltage", "fast_time"])],
)
def test_the_older_bueno_orovio_differs_where_it_says(layer, names):
    paper, older = (
        build(layer)
        for build in (cells.bueno_orovio_2008, cells.bueno_orovio_2008_cellml)
    )
    differ = [k for k, x in parameters(paper).items() if x.value != get(older, k)]
    assert differ == names
    # the paper's equation 6: w closes where the slow current opens
    assert float(paper.w_voltage) == float(paper.slow_voltage)
    assert float(older.w_voltage) == float(older.rest_voltage)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        # the paper's as another program computes them from its equations
        ("bueno_orovio_2008", (135.1, 208.5)),
        ("bueno_orovio_2008_cellml", (33.3, 103.8)),
    ],
)
def test_an_early_beat_tells_the_two_forms_of_bueno_orovio_apart(name, wanted):
    cell = cells.CATALOGUE[name].make("epi")  # as the command line makes it
    curve = cells.s1s2(cell, 1000.0, [300.0, 320.0], beats=5, dt=0.02)
    # a tenth of a ms for five beats where twenty were paced, and the doubled step
    assert np.allclose(np.asarray(curve.apd), wanted, atol=1.0)


def test_fibrillation_remodels_three_currents():
    cell = CELLS["courtemanche_1998"]
    ill = cells.atrial_fibrillation_remodelling()(cell)
    y = spread(cell, "courtemanche_1998")
    ratio = {k: ill.currents(y)[k] / i for k, i in cell.currents(y).items()}
    changed_by = {"i_to": 0.5, "i_cal": 0.3, "i_kur": 0.5}
    for name, value in ratio.items():
        assert np.allclose(value, changed_by.get(name, 1.0), rtol=1e-12), name


def independent(cell: Any, t: np.ndarray) -> np.ndarray:
    """The voltage by a stiff integrator at 1e-10, restarted where the pulse ends."""
    strength, width = cell.stimulus
    shape = jax.tree.structure(cell.initial_state())

    @jax.jit
    def rate(forcing: Any, y: Any) -> Any:
        state = jax.tree.unflatten(shape, list(y))
        return jnp.stack(jax.tree.leaves(cell.rate(forcing, NOW, state, None)))

    y = np.array([float(x) for x in jax.tree.leaves(cell.initial_state())])
    values, at = [y[0]], 0.0
    for end, forcing in ((width, strength), (t[-1], 0.0)):
        wanted = t[(t > at) & (t <= end)]
        run = solve_ivp(
            lambda _, y, f=forcing: np.asarray(rate(f, y)),
            (at, end), y, method="Radau", t_eval=wanted, rtol=1e-10, atol=1e-10,
            max_step=1.0,
        )  # fmt: skip
        assert run.success
        values += list(run.y[0])
        y, at = run.y[:, -1], end
    return np.array(values)


@pytest.mark.parametrize(
    "name", ["mitchell_schaeffer_2003", "corrado_niederer_2016", "aliev_panfilov_1996"]
)
def test_two_variable_cells_against_an_independent_integrator(name):
    cell = CELLS[name]
    beat = cells.pace(cell, 600.0, 1, save_every=0.5)
    want = independent(cell, np.asarray(beat.t))
    # second order at dt 0.01; the gate's edge is met to within a step: 0.01 ms of 300
    assert np.abs(np.asarray(beat.y.v) - want).max() < 1e-3
    figures = [cells.action_potential(beat.t, v).apd90 for v in (beat.y.v, want)]
    assert abs(figures[0] - figures[1]) < 0.05
    # another parameter gives another beat: the comparison can fail
    other = independent(scale(first_parameter(cell), 1.02)(cell), np.asarray(beat.t))
    assert np.abs(np.asarray(beat.y.v) - other).max() > 1e-3


def first_parameter(cell: Any) -> str:
    return next(iter(parameters(cell)))


def test_the_plain_model_excites_itself_and_the_modified_does_not():
    # recovery in 20 ms, faster than the voltage falls: Corrado 2016, section 2
    fast = dict(gate_voltage=0.13, opening_time=20.0, outward_time=12.0)
    late = {}
    for build in (cells.MitchellSchaeffer2003, cells.CorradoNiederer2016):
        beat = cells.pace(build(**fast), 3000.0, 1, save_every=2.0, dt=0.02)
        late[build] = float(beat.y.v[-500:].max())
    assert late[cells.MitchellSchaeffer2003] > 0.5
    assert late[cells.CorradoNiederer2016] < 1e-6


def test_the_gradient_of_a_duration_equals_finite_differences():
    cell = CELLS["aliev_panfilov_1996"]

    @jax.jit
    def apd(factor: Any) -> Any:
        changed_cell = replace(cell, "recovery", get(cell, "recovery") * factor)
        beat = cells.pace(changed_cell, 600.0, 1, dt=0.02, save_every=0.5)
        return cells.action_potential(beat.t, beat.y.v).apd50

    one, step = jnp.ones(()), 1e-4
    value, forward = jax.jvp(apd, (one,), (one,))
    central = (apd(one + step) - apd(one - step)) / (2 * step)
    assert 100.0 < value < 500.0
    assert abs(forward) > 1.0
    # the difference's own error at this step
    assert np.isclose(forward, central, rtol=1e-5)


def test_the_gradient_of_an_upstroke_equals_finite_differences():
    cell = CELLS["ten_tusscher_2006"]

    @jax.jit
    def voltage(factor: Any) -> Any:
        blocked = replace(cell, "sodium", get(cell, "sodium") * factor)

        def step(k: Any, y: Any) -> Any:
            return rush_larsen(blocked, y, 0.0, jnp.where(k < 100, 52.0, 0.0), 0.01)

        return jax.lax.fori_loop(0, 500, step, cell.initial_state()).v

    one, step = jnp.ones(()), 1e-5
    value, forward = jax.jvp(voltage, (one,), (one,))
    central = (voltage(one + step) - voltage(one - step)) / (2 * step)
    assert value > 0.0 and abs(forward) > 1.0
    # the difference's own error at this step
    assert np.isclose(forward, central, rtol=1e-5)
