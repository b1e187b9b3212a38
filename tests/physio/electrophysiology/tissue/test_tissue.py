"""Tissue: what schemes, lesions, precision, records and checkpoints must keep."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blocks import box_tetrahedra, box_voxels

from physio.compose import augment
from physio.electrophysiology.cells import CorradoNiederer2016
from physio.electrophysiology.cells.cell import changed, rush_larsen
from physio.electrophysiology.cells.published.ten_tusscher_2006 import ten_tusscher_2006
from physio.electrophysiology.diffusion.bond_average import BondAverage, SecondOrder
from physio.electrophysiology.diffusion.conductivity import Conductivity
from physio.electrophysiology.diffusion.grid import full_grid
from physio.electrophysiology.diffusion.operator import dense
from physio.electrophysiology.tissue.capture import captures, threshold
from physio.electrophysiology.tissue.lesions import ablate, line
from physio.electrophysiology.tissue.monodomain import (
    Monodomain,
    as_dtype,
    by_region,
    check_step,
    discretise,
)
from physio.electrophysiology.tissue.pacing import Pacing, stimulate, within
from physio.electrophysiology.tissue.recording import Recorder, activation_map, run
from physio.parameters import replace
from physio.simulate import march

LENGTH, WIDTH, SPACING = 40, 4, 0.25  # a strip of 10 x 1 mm


def strip(scheme=None, dtype=jnp.float32, cell=None):
    grid = full_grid((LENGTH, WIDTH), SPACING)
    scheme = BondAverage() if scheme is None else scheme
    tissue = Monodomain(
        ten_tusscher_2006() if cell is None else cell,
        grid,
        Conductivity(),
        scheme=scheme,
    )
    return as_dtype(tissue, dtype)


def left_end(tissue, **options):
    x = np.asarray(tissue.nodes)[:, 0]
    kind = tissue.conductivity.fibre.dtype
    return stimulate(x < 0.8, duration=2.0, dtype=kind, **options)


@pytest.fixture(scope="module")
def wave():
    """A strip paced once, as 32-bit tissue runs."""
    tissue = strip()
    record = Recorder(every=2.0, frames=True, probes=(0, 80), frame_dtype="float16")
    return tissue, run(tissue, 30.0, left_end(tissue), record=record)


def test_a_wave_crosses_at_the_velocity_of_the_continuum(wave):
    tissue, seen = wave
    assert seen.ok
    x = np.asarray(tissue.nodes)[:, 0]
    middle = (x > 4) & (x < 8)
    speed = 1 / np.polyfit(x[middle], seen.activation()[middle], 1)[0]
    # 1.993 sqrt(D): free_velocity; 2 % is twice what averaging leaves at this spacing
    assert speed == pytest.approx(1.993 * np.sqrt(0.133418 / 1.4), rel=0.02)


def test_what_is_recorded_agrees_with_itself(wave):
    _, seen = wave
    assert seen.frames.dtype == np.float16 and seen.frames.shape == (15, 160)
    assert seen.probes.shape == (1500, 2)
    np.testing.assert_allclose(seen.t, 2.0 * np.arange(1, 16))
    for column, node in enumerate((0, 80)):
        up = np.flatnonzero(
            (seen.probes[:-1, column] < 0) & (seen.probes[1:, column] >= 0)
        )
        assert seen.probe_t[up[0]] <= seen.activation()[node] <= seen.probe_t[up[0] + 1]
        frames = seen.probes[99::100, column].astype(np.float16)
        np.testing.assert_array_equal(seen.frames[:, node], frames)
    assert (np.diff(seen.time) >= 0).all() and np.isnan(seen.activation(5)).all()


@pytest.mark.slow
def test_single_precision_is_enough(wave):
    _, single = wave
    tissue = strip(dtype=jnp.float64)
    double = run(tissue, 30.0, left_end(tissue), record=Recorder(every=2.0))
    # 0.01 ms of 15: half a step
    assert np.abs(single.activation() - double.activation()).max() < 0.01


def test_a_run_goes_on_from_its_checkpoint_to_the_same_bits(wave, tmp_path):
    tissue, whole = wave
    record = Recorder(every=2.0, frames=True, probes=(0, 80), frame_dtype="float16")
    stimulus = left_end(tissue)

    class Killed(Exception):
        pass

    def kill(done, total):
        if done >= 20:
            raise Killed

    options = dict(record=record, checkpoint=tmp_path / "run", checkpoint_every=0.0)
    with pytest.raises(Killed):
        run(tissue, 30.0, stimulus, progress=kill, **options)
    told = []
    again = run(
        tissue,
        30.0,
        stimulus,
        progress=lambda done, total: told.append(done),
        **options,
    )
    assert told == [30.0]  # the 20 ms before were not run again
    for name in ("time", "node", "probes", "frames", "t", "probe_t"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    jax.tree.map(np.testing.assert_array_equal, again.state, whole.state)
    with pytest.raises(ValueError, match="another run"):
        run(tissue, 30.0, stimulus.later(1.0), **options)
    (tmp_path / "run" / "part-0000.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(ValueError, match="damaged or missing"):
        run(tissue, 30.0, stimulus, **options)


def test_a_step_too_long_is_refused_with_the_limit():
    tissue = strip()
    # h^2 / (2 tr D) of this grid
    limit = SPACING**2 / (2 * (0.133418 + 0.0176062) / 1.4)
    with pytest.raises(
        ValueError, match=f"stability limit of this tissue, {limit:.3g}"
    ):
        check_step(tissue, 1.1 * limit)
    check_step(tissue, 0.99 * limit)


def test_a_blow_up_says_when_and_where():
    tissue = strip()
    seen = run(tissue, 30.0, left_end(tissue, strength=1e6), record=Recorder(every=2.0))
    assert not seen.ok
    assert seen.t[-1] <= 20 and "by 2 ms at node" in seen.stopped
    assert "stimulus far too strong" in seen.stopped


@pytest.mark.parametrize("geometry", ["grid", "voxels", "tetrahedra"])
def test_a_lesion_across_ends_the_wave_and_one_with_a_gap_does_not(geometry):
    tissue = block(geometry)
    x, y = np.asarray(tissue.nodes)[:, :2].T
    pacing = stimulate(x < 1.0, strength=0.6, duration=2.0, dtype=jnp.float32)
    whole = line(tissue.nodes, [(2.5, -1, 0.4), (2.5, 3, 0.4)], 0.8)
    for mask, passes in ((whole, False), (whole & (y < 1.1), True)):
        cut = ablate(mask)(tissue)
        first = run(cut, 40.0, pacing, record=Recorder(every=4.0)).activation()
        assert np.isnan(first[mask]).all()
        assert np.isfinite(first[(x < 1.5) & ~mask]).all()
        assert np.isfinite(first[x > 3.4]).all() == passes
        assert np.isnan(first[x > 3.4]).all() == (not passes)


def block(geometry):
    """5 x 2 x 0.8 mm on each kind of geometry; the same figures of time for all."""
    fibre = (1.0, 0.0, 0.0)
    made = {
        "grid": lambda: full_grid((13, 5, 2), 0.4),
        "voxels": lambda: box_voxels((13, 5, 2), 0.4, (0.8, 0.6, 0.0)),
        "tetrahedra": lambda: box_tetrahedra((13, 5, 2), (5.2, 2.0, 0.8), fibre),
    }[geometry]()
    cell = CorradoNiederer2016()
    return as_dtype(Monodomain(cell, made, Conductivity(0.2, 0.1, 0.1)), jnp.float32)


def test_nothing_is_averaged_where_nothing_varies():
    tissue = strip(dtype=jnp.float64)
    operator, prepared = tissue.prepare(0.02)
    y = tissue.initial_state().whole()
    drive = tissue.scheme.drive(tissue.cell, prepared, operator, y)
    assert float(jnp.abs(drive).max()) == 0.0
    tilted = changed(y, v=y.v + 5 * jnp.asarray(tissue.nodes)[:, 0])
    with_average = tissue.scheme.drive(tissue.cell, prepared, operator, tilted)
    without = SecondOrder().drive(tissue.cell, (), operator, tilted)
    assert float(jnp.abs(with_average - without).max()) > 0


def test_a_correction_of_the_cell_works_in_tissue():
    def extra(t, y, inputs):
        return jnp.zeros_like(y.v)

    def outward(t, y, inputs):
        return -0.1 * y.v

    def into(change):
        return {"v": change}

    base = CorradoNiederer2016()
    plain = strip(cell=base)
    none = strip(cell=augment(base, extra, into))
    leak = strip(cell=augment(base, outward, into))
    last = {}
    for name, tissue in (("plain", plain), ("none", none), ("leak", leak)):
        pacing = left_end(tissue, strength=0.6)
        last[name] = march(tissue, 8.0, pacing, dt=0.02, save_every=400)
    for a, b in zip(
        jax.tree.leaves(last["plain"].y), jax.tree.leaves(last["none"].y), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    v = {name: np.asarray(seen.y.v[-1]) for name, seen in last.items()}
    assert v["leak"].max() < v["plain"].max() - 0.01


def test_slow_concentrations_are_kept_as_their_change():
    tissue = strip()
    state = tissue.initial_state()
    assert set(state.base) == {"nai", "ki"}
    assert float(jnp.abs(state.cell.ki).max()) == 0.0
    np.testing.assert_allclose(state.whole().ki, 136.89, rtol=1e-6)


@pytest.mark.slow
def test_slow_concentrations_in_single_precision_follow_double():
    """Ten seconds at 1 Hz: the change of Na and K to 2 % of itself."""
    found, cell = {}, ten_tusscher_2006()
    grid = full_grid((2,), 0.25)
    for kind in (jnp.float32, jnp.float64):
        tissue = as_dtype(Monodomain(cell, grid, Conductivity()), kind)
        stimulus = stimulate(
            np.ones(2, bool), starts=1000.0 * np.arange(10), dtype=kind
        )
        seen = run(tissue, 1e4, stimulus, record=Recorder(every=20.0))
        found[kind] = seen.state.cell
    for name in ("nai", "ki"):
        single, double = (float(getattr(found[k], name)[0]) for k in found)
        assert abs(double) > 0.01  # mM: there is a change to follow
        assert single == pytest.approx(double, rel=0.02)
    # forward Euler on the whole concentration loses it: that is why
    y = as_dtype(cell.initial_state(), jnp.float32)
    rest = as_dtype(cell, jnp.float32)
    step = jax.jit(lambda y: rush_larsen(rest, y, 0.0, 0.0, 0.02).ki)
    assert float(step(y)) == float(y.ki)


def test_regions_have_their_own_cells_and_a_region_without_one_is_named():
    regions = np.repeat([1, 2], 80)
    models = {1: ten_tusscher_2006("epi"), 2: ten_tusscher_2006("endo")}
    cell = by_region(models, regions)
    assert cell.sodium.shape == () and cell.transient_outward.shape == (160,)
    assert float(cell.transient_outward[0]) == 0.294
    assert float(cell.transient_outward[-1]) == 0.073
    tissue = strip(cell=cell)
    seen = run(tissue, 20.0, left_end(tissue), record=Recorder(every=2.0))
    assert np.isfinite(seen.activation()).all()
    with pytest.raises(ValueError, match=r"Regions \[2\] have no model"):
        by_region({1: models[1]}, regions)


def test_the_derivative_of_an_activation_time_is_that_of_differences():
    cable = Monodomain(
        CorradoNiederer2016(),
        full_grid((24,), 0.25),
        Conductivity(),
        scheme=BondAverage(),
    )
    stimulus = left_end(cable, strength=0.6)

    def arrival(fibre):
        changed_tissue = replace(cable, "conductivity.fibre", fibre)
        return activation_map(changed_tissue, 16.0, stimulus, dt=0.04, block=20)[15]

    at = cable.conductivity.fibre
    value, backward = jax.jit(jax.value_and_grad(arrival))(at)
    compiled = jax.jit(lambda x: jax.jvp(arrival, (x,), (jnp.ones(()),)))
    _, forward = compiled(at)
    # so small that the crossing stays within its step: the map is smooth there
    step = 1e-7
    difference = (compiled(at + step)[0] - compiled(at - step)[0]) / (2 * step)
    assert 4 < float(value) < 16
    assert float(forward) == pytest.approx(float(backward), rel=1e-9)
    assert float(backward) == pytest.approx(float(difference), rel=1e-5)
    assert float(backward) < 0  # a better conductor arrives sooner


def test_runs_are_batched_by_vmap():
    tissue = strip(cell=CorradoNiederer2016())
    stimulus = left_end(tissue, strength=0.6)

    def last(fibre):
        return march(
            replace(tissue, "conductivity.fibre", fibre), 4.0, stimulus, dt=0.02,
            save_every=200,
        ).y.v[-1]  # fmt: skip

    fibres = jnp.asarray([0.1, 0.2], jnp.float32)
    both = jax.jit(jax.vmap(last))(fibres)
    for row, fibre in zip(both, fibres, strict=True):
        # fused otherwise: rounding, grown by an upstroke
        np.testing.assert_allclose(row, jax.jit(last)(fibre), atol=1e-3)


def test_pacing_says_what_is_wrong():
    grid = full_grid((10, 10), 0.25)
    with pytest.raises(ValueError, match="touches no node"):
        stimulate(np.zeros(100, bool))
    with pytest.raises(ValueError, match=r"nearest is 10.6? mm away|nearest is"):
        within(grid.nodes, (-9, 1, 0), 1.0)
    with pytest.raises(ValueError, match="next\nfollows|next follows"):
        stimulate(np.ones(100, bool), starts=[0.0, 1.0], duration=2.0)
    with pytest.raises(ValueError, match="truth value per node"):
        stimulate(np.arange(100))
    with pytest.raises(ValueError, match="lesion touches no node"):
        ablate(np.zeros(100, bool))
    with pytest.raises(ValueError, match="Mesh or Voxels"):
        discretise([1, 2, 3])


def test_a_train_is_applied_in_time():
    s = stimulate(
        np.array([True, True, False]), starts=[10.0, 20.0], duration=2.0, strength=5.0,
        onset=np.array([0.0, 3.0, 0.0]), share=np.array([1.0, 0.5, 1.0]),
    )  # fmt: skip
    wanted = {9.9: (0, 0), 10.5: (5, 0), 13.5: (0, 2.5), 21.9: (5, 0), 24.9: (0, 2.5)}
    for t, (first, second) in wanted.items():
        np.testing.assert_allclose(s(jnp.asarray(t)), [first, second, 0])
    both = Pacing((s, s.later(1.0)))
    np.testing.assert_allclose(both(jnp.asarray(11.5)), [10, 0, 0])
    assert both.ends() == pytest.approx(26.0)


def test_every_state_of_the_cell_is_in_the_tissue():
    tissue = strip()
    names = {f.name for f in dataclasses.fields(tissue.initial_state().cell)}
    assert {"v", "m", "h", "j", "cai"} <= names


def altered(pulse, **changes):
    kept = {k: jnp.asarray(v, jnp.float32) for k, v in changes.items()}
    return dataclasses.replace(pulse, **kept)


def test_the_threshold_of_a_stimulus_is_where_it_starts_to_capture():
    tissue = strip()
    pulse = left_end(tissue, strength=20.0)

    def least_of(pulse, tolerance=0.05):
        wait = 12.0 - float(pulse.duration)  # of one length: one program
        return threshold(tissue, pulse, dt=0.04, wait=wait, tolerance=tolerance)

    least = least_of(pulse, tolerance=0.1)
    options = {"dt": 0.04, "wait": 10.0}
    assert captures(tissue, altered(pulse, strength=least), **options)
    assert not captures(tissue, altered(pulse, strength=least / 1.1), **options)
    # a shorter pulse asks for more, more nodes for less
    assert 1.3 * least < least_of(altered(pulse, duration=1.0)) < 3.0 * least
    third = np.where(np.asarray(tissue.nodes)[:, 0] < LENGTH * SPACING / 3, 0.0, np.inf)
    assert least_of(altered(pulse, onset=third)) < least
    # what lasts one step has none that could be believed in
    with pytest.raises(ValueError, match="starts no wave"):
        least_of(altered(pulse, strength=1.0, duration=0.01))


@pytest.mark.parametrize(
    "geometry", ["grid", pytest.param("voxels", marks=pytest.mark.slow), "tetrahedra"]
)
def test_a_lesion_has_no_bonds(geometry):
    """Living tissue sees nothing of dead tissue, whatever voltage that is left with."""
    tissue = block(geometry)
    mask = line(tissue.nodes, [(2.5, -1, 0.4), (2.5, 3, 0.4)], 0.8)
    whole, cut = (
        np.asarray(jax.jit(dense)(m.operator())) for m in (tissue, ablate(mask)(tissue))
    )
    assert np.abs(cut[mask]).max() == 0.0 == np.abs(cut[:, mask]).max()
    # the sibling: without the lesion there were bonds
    assert np.abs(whole[np.ix_(~mask, mask)]).max() > 0.0
    far = ~mask & (np.asarray(tissue.nodes)[:, 0] > 4.2)
    # 32 bits: one form of the same weights rounds where the other does not
    np.testing.assert_allclose(cut[far], whole[far], rtol=1e-6)
