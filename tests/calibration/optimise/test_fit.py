"""The fit's derivatives, recovery of known patients, and what it says in words."""

import tomllib
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from differences import central
from scipy import stats
from synthetic_patient import SPACE, TRUTH, problem_at

from calibration import (
    Experiment,
    Free,
    LogNormal,
    Normal,
    Observation,
    Problem,
    Space,
    Waveform,
    fit,
    fit_many,
)
from calibration.optimise.batches import linearise_many
from calibration.optimise.fit import _nowhere
from calibration.problems.problem import Prediction, residuals
from physio.parameters import get

NO = jnp.asarray(False)
SPEED = Path(__file__).parents[2] / "reference" / "speed" / "regazzoni.toml"
STORED = tomllib.loads(SPEED.read_text())


def test_the_gradient_through_the_periodic_beat_is_that_of_differences(problem):
    z = np.asarray([0.3, 0.2, -0.4, 0.1, 0.2, -0.5])
    start = np.asarray(problem.start())[None]
    at = linearise_many(problem, z[None], start)
    gradient = at.jacobian[0].T @ at.residuals[0] + z
    difference = central(problem, z, at).T @ at.residuals[0] + z
    error = np.abs(gradient - difference) / np.abs(difference).max()
    assert error.max() < 1e-5, error


def test_a_known_patient_is_recovered(problem, found):
    assert found.ok
    assert found.converged.all()
    # noise-free: what is left is the pull of the prior, a share of the posterior sd
    sd = np.sqrt(np.diag(found.covariance))
    assert (np.abs(found.z - TRUTH) < np.maximum(1.0 * sd, 0.02)).all()
    assert (sd[[0, 1, 3, 4, 5]] < 0.5).all()
    # without the prior's pull the data themselves are met
    assert all(abs(float(r)) < 0.5 for r in found.residuals.values())
    assert found.verdict == ("Every observation is explained within 2 sd.",)
    np.testing.assert_allclose(
        get(found.model, "systemic.resistance"), found.physical["systemic.resistance"]
    )


def test_the_rate_of_the_rhythm_is_fitted_like_any_parameter(problem, found):
    measured = next(o for o in problem.observations if o.kind == "heart_rate")
    fitted = float(found.physical["rhythm.rate"])
    # from the prior's 74 all but the prior's share towards what was measured
    assert fitted == pytest.approx(float(measured.value), abs=0.1)
    assert abs(fitted - 74.0) > 0.5
    assert float(get(found.model, "rhythm.rate")) == fitted


def test_alignment_and_offset_of_a_waveform_are_free_or_given(problem):
    beat = next(o for o in problem.observations if isinstance(o, Waveform))
    given = {"sd": 2.0, "period": beat.period, "site": "radial", "unit": beat.unit}

    def seen(shift, offset, **nuisances):
        wave = Waveform(
            beat.kind, beat.t, beat.values, shift=shift, offset=offset, **given
        )
        made = problem.experiment.predict(problem.model, (wave,), nuisances)
        return np.asarray(made.values[0])

    # one sample: phase is that of the recorded period, time that of the model's
    later = 60.0 / float(get(problem.model, "rhythm.rate")) / 64
    plain = seen(0.0, 0.0)
    moved = seen(later, 3.0)
    # as many samples as a period: the last is the one before the first
    np.testing.assert_allclose(moved, np.roll(plain, 1) + 3.0, atol=1e-9)
    named = {"clock": jnp.asarray(later), "zero": jnp.asarray(3.0)}
    np.testing.assert_allclose(seen("clock", "zero", **named), moved, atol=1e-12)


def test_a_second_patient_of_a_kind_compiles_nothing(problem, found):
    other = problem_at(0.5 * TRUTH)
    programs = []

    def heard(event, seconds, **more):
        if event == "/jax/core/compile/backend_compile_duration":
            programs.append(event)

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        second = fit(
            other.model, SPACE, other.observations, other.experiment,
            starts=6, key=jax.random.key(4),
        )  # fmt: skip
        compiled = len(programs)
        jax.jit(lambda x: 3.0 * x + 0.125)(1.0)  # what is new is heard
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    assert second.ok and not np.allclose(second.z, found.z)
    assert compiled == STORED["compilations_of_a_second_fit"]
    assert len(programs) > compiled


def test_a_check_is_predicted_but_not_fitted(problem, found):
    assert found.jacobian.shape[0] == 4 + 64
    assert "systemic_resistance" in found.predictions
    assert abs(float(found.residuals["systemic_resistance"])) < 2.0


def test_starts_agree_and_the_best_is_first(found):
    assert (np.diff(found.chi2) >= 0.0).all()
    # two orders below the 3.84 of a 95 % interval
    assert float(found.chi2[-1] - found.chi2[0]) < 0.04


def test_recovery_within_intervals_under_noise():
    """Patients drawn from the prior, so that Laplace's intervals are calibrated.

    The squared distance of the truth in the posterior's own measure is chi-squared
    of 6 per patient: 72 for twelve, in the central 99.8 %. Intervals of two
    thirds of their width, and of twice, are out of it.
    """
    far = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=6)
        patient = problem_at(z, rng.normal(size=68))
        f = fit(
            patient.model, SPACE, patient.observations, patient.experiment,
            starts=2, key=jax.random.key(seed),
        )  # fmt: skip
        assert f.ok
        off = np.asarray(f.z) - z
        far.append(off @ np.linalg.solve(np.asarray(f.covariance), off))
    low, high = stats.chi2.ppf([0.001, 0.999], 72)
    assert low < sum(far) < high, far
    for factor in (2.0 / 3.0, 2.0):  # of every interval's width
        assert not low < sum(far) / factor**2 < high


def test_the_progress_of_a_fit_is_told(problem):
    told = []
    fit(
        problem.model, SPACE, problem.observations, problem.experiment, starts=1,
        progress=lambda k, value: told.append((k, value)),
    )  # fmt: skip
    assert [k for k, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1] <= told[0][1]


def test_an_impossible_observation_is_named(problem):
    absurd = Observation("cardiac_output", 9.0, 0.05, "L/min", discrepancy_sd=0.0)
    seen = tuple(
        absurd if o.kind == "cardiac_output" else o for o in problem.observations
    )
    f = fit(problem.model, SPACE, seen, problem.experiment, starts=1)
    assert any("is not explained" in line for line in f.verdict)
    assert any("prior sd from its median" in line for line in f.verdict)


def test_a_descent_cut_short_does_not_blame_the_prior(problem):
    absurd = Observation("cardiac_output", 9.0, 0.05, "L/min", discrepancy_sd=0.0)
    seen = tuple(
        absurd if o.kind == "cardiac_output" else o for o in problem.observations
    )
    f = fit(
        problem.model, SPACE, seen, problem.experiment, starts=1, max_iterations=2
    )  # fmt: skip
    assert not f.ok
    assert "not converged after 2 iterations" in f.verdict[0]
    assert "max_iterations=40" in f.verdict[0]
    assert not any("prior" in line or "bound" in line for line in f.verdict)


def test_where_no_start_has_a_beat_the_cause_is_told():
    """A search that ended early is finite; a run with steps too long is not."""
    early = Prediction(
        (jnp.ones(3),), {"heart_rate": jnp.ones(())}, jnp.ones(2), jnp.asarray(False)
    )
    assert "says nothing of the prior" in _nowhere(early, Experiment())
    assert "Experiment(max_iterations=24)" in _nowhere(early, Experiment())
    blown = eqx.tree_at(lambda p: p.values, early, (jnp.array([1.0, jnp.nan]),))
    assert "Experiment(steps_per_beat=800)" in _nowhere(blown, Experiment())


def test_residuals_are_in_sd_and_keep_their_order(problem):
    values = tuple(o.values + o.total_sd for o in problem.observations)
    r = residuals(problem.observations, values)
    np.testing.assert_allclose(r[:4], 1.0, rtol=1e-9)
    np.testing.assert_allclose(jnp.sum(r[4:] ** 2), 20.0, rtol=1e-9)
    assert residuals(problem.observations, values, "check").shape == (1,)


def _door(problem, **changed):
    given = {
        "model": problem.model, "space": SPACE, "observations": problem.observations,
        "experiment": problem.experiment,
    }  # fmt: skip
    return fit(**{**given, **changed})


def test_the_door_refuses_in_words(problem):
    nowhere = Space((*SPACE.free, Free("systemic.resistence", LogNormal(1.0, 0.1))))
    with pytest.raises(KeyError, match=r"Nearest.*systemic\.resistance"):
        _door(problem, space=nowhere)
    with pytest.raises(ValueError, match='"radial_shift" free|radial_shift'):
        _door(problem, space=Space(SPACE.free[:-1]))
    unused = Space((*SPACE.free, Free("offset", Normal(0.0, 1.0), of="nuisance")))
    with pytest.raises(ValueError, match="None of these observations"):
        _door(problem, space=unused)
    more = (*problem.observations, Observation("wedge_pressure", 9.0, 2.0, "mmHg"))
    with pytest.raises(ValueError, match="not among the features"):
        _door(problem, observations=more)
    with pytest.raises(ValueError, match="at least one start"):
        _door(problem, starts=0)


def test_every_feature_of_the_default_experiment_can_be_predicted(problem):
    seen = (Observation("wedge_pressure", 9.0, 2.0, "mmHg"),)
    Problem(problem.model, Space(SPACE.free[:1]), seen, Experiment()).check()


def test_patients_in_one_batch_are_the_same_as_alone(problem, found):
    other = problem_at(0.5 * TRUTH)
    both = fit_many(
        [problem.model] * 2,
        [SPACE] * 2,
        [problem.observations, other.observations],
        [problem.experiment] * 2,
    )
    # to the tolerance at which a descent stops
    np.testing.assert_allclose(both[0].z, found.z, atol=2e-3)
    assert both[1].ok
    assert np.abs(both[1].z - 0.5 * TRUTH).max() < 0.5
    with pytest.raises(ValueError, match="cannot be one batch"):
        fit_many(
            [problem.model] * 2, [SPACE] * 2,
            [problem.observations, other.observations[:-1]], [problem.experiment] * 2,
        )  # fmt: skip


def test_the_jacobian_is_that_of_a_four_times_finer_grid(problem):
    z = np.zeros((1, 6))
    start = np.asarray(problem.start())[None]
    fine = Problem(
        problem.model, SPACE, problem.observations,
        Experiment(problem.experiment.features, steps_per_beat=1600),
    )  # fmt: skip
    at = linearise_many(problem, z, start)
    exact = central(fine, z[0], at)
    scale = np.abs(exact).max(axis=1, keepdims=True)
    error = np.abs(at.jacobian[0] - exact) / scale
    rate, output, venous, ejection = error[:4].max(axis=1)
    assert max(rate, output, ejection) < 5e-4
    # this loop's diodes are resistances: a step over an opening is of first order
    assert venous < 1.5e-3
    # samples of a waveform have kinks at the valves: two of 64 lie on one
    worst = np.sort(error[4:].max(axis=1))
    assert worst[-3] < 2e-3 and worst[-1] < 3e-2
