"""The discrepancy: nothing without data, found where there is one, nothing beyond."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from learned.blocks.ranges import Range
from learned.terms import discrepancy
from learned.terms.discrepancy import (
    Comparison,
    Sizes,
    fit_discrepancy,
    told_by,
    without_data,
)

NAMES, UNITS = ("volume", "rate"), ("mL", "1/min")
GRID = np.array([[v, r] for v in (4.0, 6.0, 8.0, 10.0) for r in (10.0, 20.0, 30.0)])
RANGE = Range(NAMES, UNITS, GRID.min(axis=0), GRID.max(axis=0))
LENGTHS = np.full(2, 2.0)
SIZES = Sizes(0.3, LENGTHS, 0.2, 0.1, LENGTHS, 0.05, 0.02)


def shared(inputs):
    """What the invented simulator lacks in everybody, as a share."""
    return 0.4 * np.sin(inputs[:, 0] / 3.0) - 0.02 * (inputs[:, 1] - 20.0)


def cohort(count=8, *, lacking=1.0, noise=0.05, seed=0):
    """Patients at every setting of the grid, with gains and a lack of their own."""
    rng = np.random.default_rng(seed)
    inputs = np.tile(GRID, (count, 1))
    patient = np.repeat(np.arange(count), len(GRID))
    simulated = inputs[:, 0] * (1.0 + 0.1 * rng.random(count))[patient]
    lack = shared(inputs) + 0.1 * rng.standard_normal(count)[patient]
    measured = simulated * (1.0 + lacking * lack)
    measured = measured + noise * rng.standard_normal(len(inputs))
    return Comparison(inputs, measured, simulated), patient


@pytest.fixture(scope="module")
def learned():
    return fit_discrepancy(NAMES, UNITS, *cohort())


def newcomer(count=4):
    """A patient nobody learned from: the first few comparisons, and all of them."""
    new, _ = cohort(1, seed=7)
    return Comparison(*(x[:count] for x in new)), new


def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def test_nothing_is_corrected_without_data():
    nothing = without_data(RANGE, SIZES, kind="ratio")
    mean, covariance = nothing.delta(GRID)
    assert (np.asarray(mean) == 0.0).all()
    np.testing.assert_allclose(np.diag(covariance), SIZES.prior_variance(), rtol=1e-12)
    predicted, sd = nothing.predict(GRID, GRID[:, 0])
    assert (np.asarray(predicted) == GRID[:, 0]).all()
    noise = 0.05**2 + (0.02 * GRID[:, 0]) ** 2
    wanted = GRID[:, 0] ** 2 * float(SIZES.prior_variance()) + noise
    np.testing.assert_allclose(sd, np.sqrt(wanted), rtol=1e-12)


def test_what_all_patients_lack_is_predicted_in_a_new_one(learned):
    """The population part alone; the left-over is the new patient's own gain (0.1)."""
    mean, covariance = learned.delta(GRID)
    # 8 patients tell their mean gain to 0.1 / sqrt(8) = 0.035: three of that
    assert rms(np.asarray(mean) - shared(GRID)) < 0.11
    assert rms(shared(GRID)) > 0.25  # the broken sibling: without it, twice the error
    assert (np.linalg.eigvalsh(np.asarray(covariance)) > -1e-9).all()


def test_the_patients_own_data_narrow_and_improve_the_prediction(learned):
    own, new = newcomer()
    alone, wide = map(np.asarray, learned.predict(new.inputs, new.simulated))
    helped, narrow = map(np.asarray, learned.predict(new.inputs, new.simulated, own))
    assert (narrow < wide).all()
    error, before, plain = (
        (x - new.measured)[4:] for x in (helped, alone, new.simulated)
    )
    assert rms(error) < 0.5 * rms(before)
    assert rms(error) < 0.2 * rms(plain)
    assert (np.abs(error) < 3.0 * narrow[4:]).all()


def test_it_is_the_textbooks_conditional_normal(learned):
    """Against one dense solve over the cohort and the patient together.

    The support holds all of the grid, so the summary loses nothing but its jitter.
    """
    given, patient = cohort()
    own, new = newcomer()
    every = [np.concatenate(x) for x in zip(given, new, strict=True)]
    number = np.concatenate([patient, np.full(len(GRID), 99)])
    x = np.asarray(learned.range.normalised(jnp.asarray(every[0])))
    z, scale = learned.sizes, every[2]

    def matern(sd, lengths):
        far = np.linalg.norm((x[:, None] - x[None]) / np.asarray(lengths), axis=-1)
        root = np.sqrt(5.0) * far
        return float(sd) ** 2 * (1.0 + root + root**2 / 3.0) * np.exp(-root)

    same = number[:, None] == number[None]
    own_part = float(z.offset_sd) ** 2 + matern(z.patient_sd, z.patient_lengths)
    k = matern(z.population_sd, z.population_lengths) + same * own_part
    k = k * scale[:, None] * scale[None, :]
    noise = np.diag(np.asarray(learned.noise_variance(jnp.asarray(scale))))
    seen = slice(0, len(patient) + 4)
    weights = np.linalg.solve((k + noise)[seen, seen], k[seen, len(patient) :]).T
    wanted = new.simulated + weights @ (every[1] - scale)[seen]
    got, _ = learned.predict(new.inputs, new.simulated, own)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("own", [None, newcomer()[0]])
def test_outside_the_range_the_simulator_answers(learned, own):
    beyond = np.tile([[20.0, 20.0], [8.0, 60.0]], (6, 1))
    mean, covariance = learned.delta(beyond, own)
    assert (np.asarray(mean) == 0.0).all()
    wanted = learned.sizes.prior_variance()
    np.testing.assert_allclose(np.diag(covariance), wanted, rtol=1e-9)
    # the broken sibling: inside it is not so
    assert (np.abs(learned.delta(GRID, own)[0]) > 0.02).any()


def test_what_was_measured_outside_teaches_nothing_inside(learned):
    outside = np.full((4, 2), 20.0)
    beyond = Comparison(outside, np.full(4, 90.0), np.full(4, 20.0))
    plain, _ = learned.predict(GRID, GRID[:, 0])
    after, _ = learned.predict(GRID, GRID[:, 0], beyond)
    np.testing.assert_allclose(after, plain, rtol=1e-12)


def test_a_complete_simulator_is_left_alone():
    complete, patient = cohort(lacking=0.0)
    mean, _ = fit_discrepancy(NAMES, UNITS, complete, patient).delta(GRID)
    # noise of 0.05 on values of 4 to 10, 8 of each: 0.003 of chance in every mean
    assert rms(mean) < 0.006


def test_it_is_a_tree_of_arrays_that_compiles_and_differentiates(learned):
    assert all(eqx.is_array(leaf) for leaf in jax.tree.leaves(learned))
    own, new = newcomer()

    def predicted(simulated):
        return learned.predict(new.inputs, simulated, own)[0].sum()

    at = jnp.asarray(new.simulated)
    both = jax.jit(jax.value_and_grad(predicted))
    compiled, slope = both(at)
    np.testing.assert_allclose(compiled, predicted(at), rtol=1e-10)
    step = 1e-5
    ahead, behind = both(at + step)[0], both(at - step)[0]
    np.testing.assert_allclose(slope.sum(), (ahead - behind) / (2 * step), rtol=1e-6)
    moved = jax.jit(jax.grad(lambda x: learned.predict(x, at, own)[1].sum()))
    # at the very bounds of the range, too
    assert np.isfinite(moved(jnp.asarray(GRID))).all()


def test_equal_points_are_equal_under_jit(monkeypatch):
    """The population's mean at 23 inputs of one kind against a dense solve."""
    x = np.sort(np.random.default_rng(0).uniform(0.0, 9.0, 23))[:, None]
    y, length = np.sin(x[:, 0]), 0.8
    range = Range(NAMES[:1], UNITS[:1], x.min(axis=0), x.max(axis=0))
    sizes = Sizes(1.0, [length], 0.3, 0.3, [2.0], 0.5, 0.1)
    cohort = Comparison(x, y, 0.0 * y)
    rows = discrepancy._rows(range, cohort, np.arange(23), "difference")
    at = np.asarray(range.normalised(jnp.asarray(x)))[:, 0]
    far = np.sqrt(5.0) * np.abs(at[:, None] - at[None]) / length
    k = (1.0 + far + far**2 / 3.0) * np.exp(-far)
    # one line a patient: their own parts and the noise add up on the diagonal
    wanted = k @ np.linalg.solve(k + (0.18 + 0.26) * np.eye(23), y)

    def worst():
        fresh = eqx.filter_jit(lambda *a: discrepancy._at_support.__wrapped__(*a))
        mean, _ = fresh(sizes, rows, range.normalised(jnp.asarray(x)))
        return np.abs(np.asarray(mean) - wanted).max()

    assert worst() < 1e-12
    # the broken sibling: tinygp's own distance
    monkeypatch.setattr(discrepancy, "_Distance", discrepancy._kernels().L2Distance)
    assert worst() > 0.01


def test_known_sizes_are_kept_and_one_patient_is_then_enough():
    given, patient = cohort(1)
    found = told_by(RANGE, SIZES, given, patient)
    assert found.sizes is SIZES and found.mean.shape == (len(GRID),)
    wide = np.diag(without_data(RANGE, SIZES, kind="ratio").delta(GRID)[1])
    assert (np.diag(found.delta(GRID)[1]) < wide).all()


def test_a_large_support_is_thinned():
    given, patient = cohort(2)
    found = told_by(RANGE, SIZES, given, patient, max_support=5)
    assert found.support.shape == (5, 2)
    full = told_by(RANGE, SIZES, given, patient)
    # lengths of the whole range: five points tell the smooth curve to its noise
    np.testing.assert_allclose(found.delta(GRID)[0], full.delta(GRID)[0], atol=0.1)


@pytest.mark.parametrize(
    "broken, said",
    [
        (dict(measured=np.nan), "measured: 1 of 24 values are not finite"),
        (dict(simulated=np.inf), "simulated: 1 of 24 values are not finite"),
        (dict(inputs=np.nan), "inputs: 1 of 48 values are not finite"),
    ],
)
def test_values_that_are_not_finite_are_refused(broken, said):
    given, patient = cohort(2)
    ((name, value),) = broken.items()
    column = np.array(getattr(given, name))
    column.flat[3] = value
    with pytest.raises(ValueError, match=said):
        fit_discrepancy(NAMES, UNITS, given._replace(**{name: column}), patient)


def test_what_cannot_be_learned_from_is_refused():
    given, patient = cohort(2)
    with pytest.raises(ValueError, match="2 patients or more; got 1"):
        fit_discrepancy(NAMES, UNITS, given, np.zeros_like(patient))
    with pytest.raises(ValueError, match="one entry a row; got 24, 24, 24 and 23"):
        fit_discrepancy(NAMES, UNITS, given, patient[1:])
    with pytest.raises(ValueError, match="rate is 10 in all 24 samples"):
        constant = given.inputs * np.array([[1.0, 0.0]]) + np.array([[0.0, 10.0]])
        fit_discrepancy(NAMES, UNITS, given._replace(inputs=constant), patient)


def test_without_the_library_the_line_to_type_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tinygp", None)
    with pytest.raises(ImportError, match=r"pip install 'cordax\[learn\]'$"):
        fit_discrepancy(NAMES, UNITS, *cohort(2))
