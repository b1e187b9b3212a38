"""Velocities of waves on coarse grids, and conductivities tuned to wanted ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from cordax.bench import niederer
from cordax.bench.niederer_table import CONVERGED, FINITE_DIFFERENCES
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.cells.ten_tusscher_2006 import ten_tusscher_2006
from physio.electrophysiology.diffusion.bond_average import BondAverage, SecondOrder
from physio.electrophysiology.diffusion.conductivity import Velocities
from physio.electrophysiology.diffusion.grid import full_grid
from physio.electrophysiology.tissue.monodomain import as_dtype
from physio.electrophysiology.velocity.mesh_tuning import tune_mesh
from physio.electrophysiology.velocity.plane_waves import (
    cable,
    free_velocity,
    stack,
    velocities,
)
from physio.electrophysiology.velocity.tuning import tune_velocity
from physio.interventions import scale

SINGLE = jnp.float32
COARSE = (0.65, 1.78, 3.2)  # h / sqrt(D)
WANTED = Velocities(0.65, 0.25, 0.25)


def off(cell, scheme):
    """Shares by which a cable's velocity misses the continuum's."""
    lines = stack([cable(jnp.ones((), SINGLE), jnp.asarray(h, SINGLE)) for h in COARSE])
    found = velocities(cell, lines, dt=0.01, scheme=scheme)
    return found / free_velocity(cell) - 1


CELLS = {
    "corrado_niederer": (CorradoNiederer2016, 0.01),
    "ten_tusscher": (ten_tusscher_2006, 0.012),
    "weak_sodium": (lambda: scale("sodium", 0.6)(ten_tusscher_2006()), 0.012),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_averaging_keeps_the_velocity_of_a_cable(name, record_property):
    make, most = CELLS[name]
    cell = as_dtype(make(), SINGLE)
    averaged = np.abs(off(cell, BondAverage())).max()
    record_property(f"{name}_percent", 100 * averaged)
    assert averaged <= most
    assert np.abs(np.nan_to_num(off(cell, SecondOrder()), nan=1)).max() > 0.3


@pytest.mark.slow
def test_tuned_voxels_conduct_as_wanted(record_property):
    cell = as_dtype(ten_tusscher_2006(), SINGLE)
    tuned = tune_velocity(cell, WANTED, full_grid((9, 9, 9), 0.35))
    for name, error in tuned.errors.items():
        record_property(f"{name}_percent", 100 * error)
    assert tuned.errors["along"] <= 0.05
    assert tuned.errors["across"] <= 0.08 and tuned.errors["between"] <= 0.08
    assert float(tuned.conductivity.fibre) == pytest.approx(0.149, rel=0.05)


@pytest.mark.slow
def test_a_grid_too_coarse_for_a_velocity_is_refused():
    cell = as_dtype(CorradoNiederer2016(), SINGLE)
    with pytest.raises(ValueError, match="Take a spacing of at most"):
        tune_velocity(cell, Velocities(0.65, 0.1, 0.1), full_grid((9, 9, 9), 0.5))
    with pytest.raises(ValueError, match="velocity along the sheet must be positive"):
        tune_velocity(cell, Velocities(0.65, 0.0, 0.25), full_grid((9, 9, 9), 0.5))
    with pytest.raises(ValueError, match="one spacing"):
        tune_velocity(cell, WANTED, full_grid((9, 9), (0.2, 0.3)))


def test_the_slab_by_second_order_is_that_of_other_codes(record_property):
    times = niederer.run(0.5, "second-order", dt=0.02)
    rows = FINITE_DIFFERENCES[0.5]
    off = {k: abs(times[k] - t) / max(0.04 * t, 0.3) for k, t in rows.items()}
    record_property("worst", max(off.values()))
    assert max(off.values()) <= 1, times


@pytest.mark.slow
def test_the_slab_by_bond_average_is_the_converged_one(record_property):
    # 0.2 mm at 0.01 ms is in docs/validation.md; here coarser in both: 8 %
    times = niederer.run(0.25, "bond-average", dt=0.04)
    errors = {k: times[k] / t - 1 for k, (t, _) in CONVERGED.items() if k != "P1"}
    record_property("worst_percent", 100 * max(map(abs, errors.values())))
    assert max(map(abs, errors.values())) <= 0.08, times
    assert abs(times["P1"] - CONVERGED["P1"][0]) <= 0.3


def test_the_slab_says_what_it_takes():
    with pytest.raises(ValueError, match="second-order, bond-average"):
        niederer.run(0.5, "fourth-order")
    with pytest.raises(ValueError, match="at most 1.5 mm"):
        niederer.run(2.0)


@pytest.mark.slow
def test_a_tuned_mesh_conducts_as_wanted(record_property):
    from physio.electrophysiology.anatomy.shapes import Slab

    cell = as_dtype(CorradoNiederer2016(), SINGLE)
    tuned = tune_mesh(cell, WANTED, Slab().as_mesh(0.4))
    for name, error in tuned.errors.items():
        record_property(f"{name}_percent", 100 * error)
    assert tuned.errors["along"] <= 0.08 and tuned.errors["across"] <= 0.15
