"""Samplers agree with each other, and their diagnostics can fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_patient import TRUTH

from calibration.assessment.identifiability import (
    fisher,
    prior_only,
    profile,
    sentences,
    sobol,
    told,
)
from calibration.sampling.pareto import effective, resample, smooth
from calibration.sampling.posterior import _trust, sample_fit
from physio.interventions import scale


@pytest.fixture(scope="module")
def drawn(found):
    return sample_fit(found, key=jax.random.key(1))


def test_importance_sampling_is_trusted_and_agrees_with_laplace(found, drawn):
    assert drawn.ok, drawn.verdict
    assert drawn.method == "importance"
    assert float(drawn.diagnostics["pareto_k"]) < 0.7
    assert float(drawn.diagnostics["ess"]) >= 1000.0
    sd = np.sqrt(np.diag(found.covariance))
    mean = np.asarray(drawn.weights @ drawn.weighted_z)
    # 0.3 sd, 15 %: the posterior is nearly but not exactly normal
    assert (np.abs(mean - np.asarray(found.z)) < 0.3 * sd).all()
    ratio = np.asarray(list(drawn.shrinkage.values())) / sd
    assert (np.abs(ratio - 1.0) < 0.15).all(), ratio


def test_draws_carry_their_predictions(found, drawn):
    n = drawn.z.shape[0]
    assert drawn.draws["systemic.resistance"].shape == (n,)
    assert drawn.predictions["pressure.systemic_arteries@radial"].shape == (n, 64)
    assert drawn.features["mean_pressure"].shape == (n,)
    within = drawn.intervals(0.9)["mean_pressure"]
    assert within.lower < within.median < within.upper
    assert within.lower < found.features["mean_pressure"] < within.upper
    # a repeated measurement spreads more than the model's own value
    again = drawn.predictive(0.9)["cardiac_output"]
    alone = drawn.intervals(0.9)["cardiac_output"]
    assert again.upper - again.lower > 1.1 * (alone.upper - alone.lower)


def test_models_of_draws_are_stacked(drawn):
    models = drawn.models(3)
    np.testing.assert_allclose(
        models.connections["systemic"].resistance,
        drawn.draws["systemic.resistance"][:3],
    )


def test_the_same_key_gives_the_same_draws(found, drawn):
    again = sample_fit(found, key=jax.random.key(1))
    np.testing.assert_array_equal(again.z, drawn.z)


def test_what_cannot_be_sampled_is_refused(found):
    with pytest.raises(ValueError, match="method='gibbs'"):
        sample_fit(found, key=jax.random.key(0), method="gibbs")


def test_few_draws_are_not_trusted(found):
    short = sample_fit(found, key=jax.random.key(1), ess=1e6, most=1, draws=10**6)
    assert any("Effective number" in line for line in short.verdict)


def test_diagnostics_out_of_bounds_are_said():
    sound = {"pareto_k": 0.4, "r_hat": 1.001, "divergences": 0.0, "ess": 1200.0}
    sound |= {"draws": 1000.0, "failed": 0.0, "evaluations": 2000.0}
    sound |= {"ess_wanted": 1000.0}
    assert _trust(sound) == ()
    for bad, words in (
        ({"pareto_k": 0.9}, "pareto-k is 0.90"),
        ({"pareto_k": np.inf}, "pareto-k is inf"),
        ({"r_hat": np.nan}, "R-hat is nan"),
        ({"ess": 300.0}, "Effective number of draws 300, 1000 wanted"),
        ({"r_hat": 1.05}, "R-hat is 1.050"),
        ({"divergences": 20.0}, "20 divergent"),
        ({"failed": 300.0}, "300 of 2000 draws had no periodic beat"),
    ):
        (line,) = _trust(sound | bad, "periodic beat")
        assert words in line


def test_tempered_particles_agree_with_importance_sampling(found, drawn):
    particles = sample_fit(found, key=jax.random.key(5), method="smc", particles=512)
    sd = np.asarray(list(drawn.shrinkage.values()))
    apart = particles.weights @ particles.weighted_z - drawn.weights @ drawn.weighted_z
    # 512 correlated particles: standard error about 0.08 sd
    assert (np.abs(apart) < 0.25 * sd).all()
    ratio = np.asarray(list(particles.shrinkage.values())) / sd
    assert (np.abs(ratio - 1.0) < 0.2).all(), ratio


@pytest.mark.slow
def test_the_slow_reference_agrees(found, drawn):
    pytest.importorskip("numpyro")
    chains = sample_fit(
        found,
        key=jax.random.key(5),
        method="nuts",
        chains=2,
        warmup=60,
        chain_draws=100,
    )
    assert float(chains.diagnostics["divergences"]) <= 2
    sd = np.asarray(list(drawn.shrinkage.values()))
    apart = chains.weights @ chains.weighted_z - drawn.weights @ drawn.weighted_z
    assert (np.abs(apart) < 0.35 * sd).all()


def test_an_intervention_runs_over_the_draws(drawn):
    after, ok = drawn.after(scale("systemic.resistance", 0.8), n=64)
    assert ok.all()
    change = after["mean_pressure"] - drawn.features["mean_pressure"][:64]
    assert (change < -5.0).all()


# --- identifiability -----------------------------------------------------------------
def test_the_spectrum_is_that_of_the_information(found):
    seen = fisher(found)
    np.testing.assert_allclose(
        seen.directions @ np.diag(seen.eigenvalues) @ seen.directions.T,
        found.jacobian.T @ found.jacobian,
        atol=1e-8 * float(seen.eigenvalues[0]),
    )
    assert seen.sentences()[0].startswith("Best seen")


def test_a_parameter_the_data_do_not_see_is_named(found):
    ratios = {
        name: jnp.asarray(r) for name, r in zip("abc", (0.97, 0.7, 0.2), strict=True)
    }
    lines = told(ratios)
    assert lines[0].startswith("a: prior-only")
    assert lines[1].startswith("b: weakly seen")
    assert len(lines) == 2
    assert prior_only(ratios) == ("a",)
    assert sentences(found) == told(found.shrinkage)


def test_a_profile_agrees_with_laplace(found):
    """Near the maximum chi2 with the prior's share rises by (z - z_map)^2 / variance.

    A covariance of half or twice the size, or a share of the prior counted twice (1 of
    the 1 / variance that all of it is), is outside of a fifth where the data tell much.
    """
    name = "systemic.resistance"
    k = found.space.index(name)
    best, sd = float(found.z[k]), float(found.covariance[k, k]) ** 0.5
    held = profile(found, name, points=13, reach=abs(best) + 3.0 * sd)
    assert float(held.rise.min()) == 0.0
    z, rise = np.asarray(held.z[:, k]), np.asarray(held.rise)
    at_best = rise[np.abs(z - best).argmin()]
    whole = rise - at_best + z**2 - best**2  # the held one is free of its prior
    far = (z - best) / sd
    near = (np.abs(far) > 0.3) & (np.abs(far) < 2.0)
    assert near.sum() >= 3, far
    ratio = whole[near] / far[near] ** 2
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.2), ratio
    assert held.lower < float(found.physical[name]) < held.upper
    assert "is seen" in held.sentence()
    with pytest.raises(KeyError, match=r"systemic\.resistance"):
        profile(found, "systemic.resistence")


def test_sobol_indices_name_the_cause(found):
    shares = sobol(found.problem, n=64, width=0.5)
    cause = np.asarray(shares.total["heart_rate"])
    # heart rate is its own parameter and nothing else's
    assert cause.argmax() == found.space.index("rhythm.rate")
    np.testing.assert_allclose(np.delete(cause, cause.argmax()), 0.0, atol=1e-6)
    assert shares.failed == 0
    with pytest.raises(ValueError, match="power of"):
        sobol(found.problem, n=100)


# --- Pareto smoothing ----------------------------------------------------------------
@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_the_shape_of_a_known_tail_is_found(k):
    u = np.random.default_rng(0).random(20_000)
    _, shape = smooth(np.log(1.0 + np.expm1(-k * np.log(u)) / k))
    # the tail of 3 sqrt(n) draws leaves a standard error of (1 + k) / 20
    assert shape == pytest.approx(k, abs=0.15)


def test_smoothing_keeps_failed_draws_out():
    log_w = np.random.default_rng(0).normal(size=500)
    log_w[:7] = -np.inf
    smoothed, k = smooth(log_w)
    assert np.isinf(smoothed[:7]).all()
    assert np.exp(smoothed).sum() == pytest.approx(1.0)
    assert k < 0.7
    assert effective(smoothed) < 493
    rows = resample(smoothed, 2000, np.random.default_rng(1))
    assert rows.min() >= 7


def test_equal_weights_are_all_effective():
    smoothed, k = smooth(np.zeros(200))
    assert k == 0.0
    assert effective(smoothed) == pytest.approx(200.0)


def test_too_few_draws_have_no_shape():
    assert smooth(np.zeros(10))[1] == np.inf


def test_the_truth_lies_in_the_posterior(drawn):
    # noise-free data: the truth is well inside, in every parameter
    below = (np.asarray(drawn.z) < np.asarray(TRUTH)).mean(axis=0)
    assert ((below > 0.02) & (below < 0.98)).all(), below
