"""A learned current adds nothing at birth; in a cell and in tissue it is one object."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.blocks.ranges import Range
from learned.terms.ion_channel import (
    LearnedCurrent,
    LearnedGate,
    gated,
    outward,
    with_current,
)
from learned.terms.residual import neural_residual
from learned.terms.voltage_clamp import followed
from learned.training.loop import Stage, train
from physio import march
from physio.electrophysiology.cells import pace, rush_larsen, ten_tusscher_2006
from physio.electrophysiology.cells.cell import changed
from physio.electrophysiology.diffusion.conductivity import Conductivity
from physio.electrophysiology.diffusion.grid import full_grid
from physio.electrophysiology.tissue.monodomain import Monodomain, as_dtype
from physio.electrophysiology.tissue.pacing import stimulate
from physio.interventions import scale

DT = 0.02
GATE = LearnedGate.of("slow", half=-5.0, steepness=1 / 14, tau=20.0,
                      voltages=(-90.0, 45.0))  # fmt: skip
BASE = ten_tusscher_2006()
NODES = 12
# of voltages near 100 mV after 500 steps: both run the same operations in another
# program, whose sums round at 1e-16
ROUND_OFF = 1e-9


def hybrid(inputs=("state.slow",)):
    """The cell with a current that adds nothing yet."""
    lower = {"state.slow": 0.0, "state.v": -90.0}
    upper = {"state.slow": 0.6, "state.v": 45.0}
    units = {"state.slow": "1", "state.v": "mV"}
    found = Range(
        tuple(inputs), tuple(units[k] for k in inputs),
        jnp.array([lower[k] for k in inputs]), jnp.array([upper[k] for k in inputs]),
    )  # fmt: skip
    residual = neural_residual(
        found, {"conductance": ("mS/uF", 0.05)}, key=jax.random.key(0), hidden=(8, 8)
    )
    return with_current(BASE, (GATE,), LearnedCurrent(residual, jnp.asarray(-86.0)))


def network(cell):
    return cell.correction.conductance.network


def awake(cell, bias=0.8):
    """The same with a conductance above 0 everywhere in its range."""
    raised = jnp.full_like(network(cell).biases[-1], bias)
    return eqx.tree_at(lambda c: network(c).biases[-1], cell, raised)


@eqx.filter_jit
def alone(cell, y):
    """Voltages of 500 steps of one cell after a pulse."""

    def step(y, k):
        y = rush_larsen(cell, y, 0.0, jnp.where(k < 50, 52.0, 0.0), DT)
        return y, y.v

    return jax.lax.scan(step, y, jnp.arange(500))[1]


def strip(cell, dtype=jnp.float64):
    return as_dtype(Monodomain(cell, full_grid((NODES, 2), 0.3), Conductivity()), dtype)


def paced(tissue):
    """Voltages (n_t, n_node) of 8 ms after a pulse at one end."""
    kind = tissue.conductivity.fibre.dtype
    pulse = stimulate(np.arange(2 * NODES) < 8, duration=2.0, dtype=kind)
    return march(tissue, 8.0, pulse, dt=DT, save_every=50)


def test_at_birth_a_cell_is_its_base():
    own, sum_ = alone(BASE, BASE.initial_state()), hybrid()
    born = alone(sum_, sum_.initial_state())
    assert float(own.max()) > 20.0
    assert np.asarray(born) == pytest.approx(np.asarray(own), abs=ROUND_OFF)
    # the check can fail: a current that flows is seen
    flowing = awake(sum_)
    changed_ = alone(flowing, flowing.initial_state())
    assert float(jnp.abs(changed_ - own).max()) > 1.0


def test_at_birth_a_tissue_is_its_base():
    own, sum_ = paced(strip(BASE)), hybrid()
    assert float(own.y.v[-1].min()) > 0.0  # the wave went through
    born = paced(strip(sum_))
    assert np.asarray(born.y.v) == pytest.approx(np.asarray(own.y.v), abs=ROUND_OFF)
    assert type(born.y.cell.slow) is type(own.y.cell.xs)
    flowing = paced(strip(awake(sum_)))
    assert float(jnp.abs(flowing.y.v - own.y.v).max()) > 1.0


def test_a_tissue_at_one_voltage_is_the_cell():
    """The same object: every node of a tissue without gradients runs as one cell."""
    cell = awake(hybrid(("state.v", "state.slow")))
    tissue = strip(cell)
    pulse = stimulate(np.ones(2 * NODES, bool), duration=1.0, strength=52.0)
    one = alone(cell, cell.initial_state())[49::50]
    all_ = march(tissue, 10.0, pulse, dt=DT, save_every=50).y.v[1:]
    assert np.asarray(all_) == pytest.approx(
        np.broadcast_to(np.asarray(one)[:, None], all_.shape), abs=ROUND_OFF
    )
    # the check can fail: the cell without the current runs elsewhere
    assert float(jnp.abs(alone(BASE, BASE.initial_state())[49::50] - one).max()) > 1.0


def test_a_32_bit_tissue_stays_one():
    """Nothing learned brings 64 bits to the nodes."""
    tissue, cell = strip(awake(hybrid()), jnp.float32), awake(hybrid())

    def program(tissue):
        return str(
            jax.make_jaxpr(
                lambda y: tissue.step(tissue.prepare(DT), jnp.float32(0.0), y, DT, None)
            )(tissue.initial_state())
        )

    nodes = f"f64[{2 * NODES}]"
    assert nodes not in program(tissue)
    assert nodes in program(eqx.tree_at(lambda t: t.cell, tissue, cell))


def test_outside_the_range_the_cell_answers_alone():
    cell = awake(hybrid())
    y = cell.initial_state()
    inside, outside = (
        changed(y, slow=jnp.asarray(0.3)),
        changed(y, slow=jnp.asarray(0.7)),
    )
    assert float(cell.within(jnp.zeros(()), inside, None)) == 1.0
    assert float(cell.within(jnp.zeros(()), outside, None)) == 0.0
    own = BASE.current(BASE.initial_state())
    assert float(cell.current(outside) - own) == 0.0
    assert float(jnp.abs(cell.current(inside) - own)) > 1e-3
    fading = changed(y, slow=jnp.asarray(0.63))
    assert 0.0 < float(cell.within(jnp.zeros(()), fading, None)) < 1.0


def test_current_is_conductance_times_drive():
    """g (V - E), outward positive: nothing flows at E, dV/dt is minus it."""
    cell = awake(hybrid())
    y = changed(cell.initial_state(), slow=jnp.asarray(0.3))
    g = cell.correction.conductance.at(jnp.array([0.3]))[0]
    own = BASE.current(BASE.initial_state())
    v = float(y.v)
    assert float(cell.currents(y)["correction"]) == pytest.approx(
        float(g) * (v + 86.0), rel=1e-12
    )
    assert float(cell.current(y) - own) == pytest.approx(
        float(g) * (v + 86.0), rel=1e-9
    )
    at_rest = changed(y, v=jnp.asarray(-86.0))
    assert float(cell.currents(at_rest)["correction"]) == 0.0
    assert float(outward(jnp.asarray(2.0))["v"]) == -2.0


def test_an_intervention_of_the_base_reaches_it():
    cell = scale("sodium", 0.5)(awake(hybrid()))
    assert float(cell.base.base.sodium) == pytest.approx(0.5 * float(BASE.sodium))


def test_what_is_no_conductance_is_refused():
    found = Range(("state.slow",), ("1",), jnp.array([0.0]), jnp.array([0.6]))
    current = neural_residual(found, {"current": ("uA/uF", 4.0)}, key=jax.random.key(0))
    with pytest.raises(ValueError, match="conductance in mS/uF.*current in uA/uF"):
        LearnedCurrent(current, jnp.asarray(-86.0))


@pytest.mark.slow
def test_a_current_is_found_along_a_recording():
    """I_Ks, taken away, comes back from one beat and is right along another."""
    known = scale("slow_rectifier", 0.0)(BASE)
    slow = LearnedGate.of("slow", half=-5.0, steepness=1 / 14, tau=900.0,
                          voltages=(-90.0, 45.0))  # fmt: skip
    dt, n = 0.05, 8000
    given = jnp.where(jnp.arange(n) < 20, 52.0, 0.0)
    y, data = BASE.initial_state(), []
    for k in range(4):
        beat = pace(BASE, 400.0, 1, y0=y, dt=dt, save_every=dt, step=rush_larsen)
        cell = gated(known, (slow,))
        start = changed(
            cell.initial_state(), **vars(jax.tree.map(lambda x: x[0], beat.y))
        )
        seen = followed(cell, start, beat.y.v, given, dt)
        at = slice(200 + 5 * k, n, 40)
        # the true gate stands for one read from a clamp
        data.append([beat.y.xs[:-1][at], beat.y.v[:-1][at], seen.missing[at]])
        y = jax.tree.map(lambda x: x[-1], beat.y)
    x, v, lacks = (jnp.stack(column) for column in zip(*data, strict=True))
    born = LearnedCurrent.of(
        slow, np.ravel(x[:3]), most=0.05, reversal=-86.0, key=jax.random.key(0)
    )
    found = train(
        born, np.zeros((4, 0)), {"x": x, "v": v, "lacks": lacks},
        lambda i, own, row, _: jnp.mean((row["lacks"] - i.at(row["x"], row["v"])) ** 2),
        ids=list("abcd"), held_out=np.array([3]), key=jax.random.key(0),
        stages=(Stage(1500, 5e-3), Stage(500, 1e-3)), trained=lambda i: i.trained(),
    ).shared  # fmt: skip

    def error(current):
        wrong = current.at(x[3], v[3]) - lacks[3]
        return float(jnp.sqrt(jnp.mean(wrong**2) / jnp.mean(lacks[3] ** 2)))

    # of the current's size: 2000 steps of Adam reach 0.05, and would go on
    assert error(found) < 0.1
    assert error(born) == 1.0
