"""Delayed acceptance: the posterior is the model's, however wrong the surrogate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from synthetic_patient import KINDS, PHASE, SPACE, observed

from calibration import Experiment, Fit, Prediction, Problem
from calibration.sampling import importance, posterior
from calibration.sampling.delayed_acceptance import (
    AGREED,
    effective_size,
    run_chains,
    split_r_hat,
)
from calibration.sampling.posterior import _trust, sample, sample_fit
from physio.hemodynamics.loops.regazzoni import regazzoni

MEAN, SD = np.array([0.5, -1.0]), np.array([1.0, 0.6])


@eqx.filter_jit
def _predicted(z, values):
    def one(z):
        return Prediction(values, {"first": z[0]}, z, jnp.asarray(True))

    return jax.vmap(one)(z)


def predicted(z, values=()):
    """A prediction at every row: the position is its state and a feature."""
    return jax.tree.map(np.asarray, _predicted(jnp.asarray(z), values))


def exact(z):
    """A normal of known mean and sd."""
    return -0.5 * (np.square((z - MEAN) / SD)).sum(axis=1), predicted(z)


def wrong(z):
    """A surrogate half an sd off to one side, and wider."""
    off = (z - (MEAN + 0.5 * SD)[None]) / (1.3 * SD)[None]
    return -0.5 * jnp.sum(off**2, axis=1)


def narrow(z):
    """A surrogate that knows nothing of the posterior's tails."""
    return -0.5 * jnp.sum(((z - MEAN[None]) / (0.4 * SD)[None]) ** 2, axis=1)


def elsewhere(z):
    """A surrogate of something else, ten sd away."""
    return -0.5 * jnp.sum(((z - (MEAN + 10.0 * SD)[None]) / SD[None]) ** 2, axis=1)


def chains(target=exact, surrogate=wrong, *, ess=2000.0, most=10_000, first=None):
    if first is None:
        first = MEAN + SD * np.random.default_rng(0).standard_normal((32, 2))
    return run_chains(
        target, surrogate, first, 1.7 * np.diag(SD), jax.random.key(2),
        ess=ess, most=most, moves=40,
    )  # fmt: skip


def errors(draws):
    """Of mean (in sd), and of log sd."""
    z = draws.z
    return np.abs(z.mean(axis=0) - MEAN) / SD, np.abs(np.log(z.std(axis=0) / SD))


@pytest.fixture(scope="module")
def drawn():
    return chains()


# four standard errors of 2000 effective draws; a log sd has 1/sqrt(2) of the mean's
TOLERANCE = 4.0 / np.sqrt(2000.0)


def test_a_wrong_surrogate_leaves_the_posterior_exact(drawn):
    told = drawn.diagnostics
    assert told["ess"] >= 2000.0 and told["r_hat"] <= AGREED
    assert 0.5 < told["accepted"] < 0.9
    assert told["surrogate_pareto_k"] < 0.7
    off, log_sd = errors(drawn)
    assert (off < TOLERANCE).all() and (log_sd < TOLERANCE).all()
    np.testing.assert_array_equal(drawn.predictions.state, drawn.z)


def test_without_the_correction_it_would_not_be():
    def uncorrected(z):
        return np.asarray(wrong(jnp.asarray(z))), predicted(z)

    off, log_sd = errors(chains(uncorrected))
    assert (off > 4.0 * TOLERANCE).all() and (log_sd > 2.0 * TOLERANCE).all()


def test_the_same_key_gives_the_same_chains():
    np.testing.assert_array_equal(chains(most=400).z, chains(most=400).z)


def test_runs_without_a_beat_are_left_out_of_the_posterior():
    def half(z):
        log_p, seen = exact(z)
        return np.where(z[:, 0] > MEAN[0], log_p, -np.inf), seen

    draws = chains(half, ess=500.0, most=4000)
    assert draws.z[:, 0].min() > MEAN[0]
    # of a half normal: sd sqrt(2 / pi); 4 sd of 500 effective draws at least
    assert draws.z[:, 0].mean() - MEAN[0] == pytest.approx(0.798, abs=0.11)
    with pytest.raises(ValueError, match="None of 32 first positions near the fit"):
        chains(lambda z: (np.full(len(z), -np.inf), predicted(z)))


def test_a_surrogate_that_rules_out_what_the_model_allows_is_refused():
    def cut(z):
        return jnp.where(z[:, 0] > MEAN[0], wrong(z), -jnp.inf)

    with pytest.raises(ValueError, match="it would never look there"):
        chains(surrogate=cut)


def full(told, ess):
    """With what only the door to the chains adds."""
    return told | {"failed": 0.0, "ess_wanted": ess}


def test_a_narrow_surrogate_is_told():
    told = chains(surrogate=narrow, most=4000).diagnostics
    assert told["surrogate_pareto_k"] > 0.7
    assert any("narrower than the posterior" in line for line in _trust(full(told, 1)))


def test_a_surrogate_of_something_else_is_told():
    told = chains(surrogate=elsewhere, most=1000).diagnostics
    assert told["accepted"] < 0.05 and told["r_hat"] > AGREED
    said = " ".join(_trust(full(told, 1000.0)))
    assert "of the surrogate's proposals, 5 % wanted" in said
    assert "chains disagree" in said and "Effective number of draws" in said


@pytest.mark.parametrize(
    ("surrogate", "said"),
    [
        (lambda z: jnp.full(len(z), jnp.nan), "NaN or \\+inf at 32 of 32"),
        (lambda z: jnp.where(z[:, 0] > 2.5, jnp.nan, wrong(z)), "NaN or \\+inf at"),
        (lambda z: jnp.sum(z**2), "one log density for each row"),
        (lambda z: z, "one log density for each row"),
        (lambda z: jnp.full(len(z), -jnp.inf), "-inf at 32 of 32 first positions"),
    ],
)
def test_what_is_no_density_is_refused(surrogate, said):
    first = np.tile(MEAN, (32, 1))
    with pytest.raises(ValueError, match=said):
        chains(surrogate=surrogate, first=first)


# --- diagnostics of chains ------------------------------------------------------------
def autoregressive(phi, m=16, n=2000):
    noise = np.random.default_rng(1).standard_normal((m, n, 1)) * np.sqrt(1 - phi**2)
    x = np.random.default_rng(2).standard_normal((m, 1))
    seen = []
    for k in range(n):
        x = phi * x + noise[:, k]
        seen.append(x)
    return np.stack(seen, axis=1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_effective_size_of_known_chains_is_found(phi):
    found = effective_size(autoregressive(phi))[0]
    # n (1 - phi) / (1 + phi); 10 %: the noise of the autocorrelations summed
    assert found == pytest.approx(32_000 * (1 - phi) / (1 + phi), rel=0.1)


def test_chains_that_disagree_are_seen():
    alike = np.random.default_rng(0).standard_normal((8, 400, 1))
    assert split_r_hat(alike)[0] < AGREED
    apart, wide, drift = alike.copy(), alike.copy(), alike.copy()
    apart[0] += 1.0  # one chain elsewhere
    wide[0] *= 3.0  # one chain of the same mean with another spread
    drift += np.linspace(-1.0, 1.0, 400)[None, :, None]  # all on their way
    for chains in (apart, wide, drift):
        assert split_r_hat(chains)[0] > AGREED
    assert split_r_hat(np.zeros((4, 40, 1)))[0] == np.inf
    assert effective_size(np.zeros((4, 40, 1)))[0] == 1.0


# --- through `sample` -----------------------------------------------------------------
@pytest.fixture
def analytic(monkeypatch):
    """A fit whose model is a formula: residuals linear in z."""
    rows = np.random.default_rng(3).standard_normal((9, SPACE.size))

    def formula(problem, z, start):
        values = tuple(o.values for o in OBSERVED)
        return -0.5 * np.square(z @ rows.T).sum(axis=1), predicted(z, values)

    monkeypatch.setattr(importance, "predict_many", formula)
    model = regazzoni()
    problem = Problem(model, SPACE, OBSERVED, Experiment())
    n_z, n_y = SPACE.size, problem.start().size
    hessian = rows.T @ rows + np.eye(n_z)
    return Fit(
        problem=problem, model=model, z=jnp.zeros(n_z), predictions={}, residuals={},
        features={}, jacobian=jnp.asarray(rows), hessian=jnp.asarray(hessian),
        covariance=jnp.asarray(np.linalg.inv(hessian)), state=jnp.zeros(n_y),
        state_jacobian=jnp.zeros((n_y, n_z)), chi2=jnp.zeros(1),
        converged=jnp.ones(1, bool), iterations=jnp.ones(1, int),
        z_starts=jnp.zeros((1, n_z)), verdict=(),
    )  # fmt: skip


OBSERVED = observed(dict.fromkeys(KINDS, 75.0), 90.0 + PHASE, 1.0)


def test_sample_takes_a_surrogate(analytic, monkeypatch):
    monkeypatch.setattr(posterior, "fit", lambda *a, **k: analytic)
    # four fifths of the true spread's inverse, and shifted: wrong but not useless
    precision = 0.8 * analytic.hessian
    shift = 0.2 * jnp.sqrt(jnp.diag(analytic.covariance))

    def surrogate(z):
        off = z - shift[None]
        return -0.5 * jnp.sum((off @ precision) * off, axis=1)

    seen = []
    problem = analytic.problem
    found = sample(
        problem.model, problem.space, problem.observations, problem.experiment,
        key=jax.random.key(4), method="delayed", surrogate=surrogate, ess=1000.0,
        most=10_000, moves=80, progress=lambda n, ess: seen.append(n),
    )  # fmt: skip
    assert found.ok and found.method == "delayed", found.verdict
    assert seen[-1] == int(found.diagnostics["evaluations"]) <= 10_000
    sd = np.sqrt(np.diag(analytic.covariance))
    # four standard errors of 1000 effective draws
    assert (np.abs(found.weighted_z.mean(axis=0)) < 0.13 * sd).all()
    ratio = np.asarray(list(found.shrinkage.values())) / sd
    assert (np.abs(ratio - 1.0) < 0.13).all(), ratio
    np.testing.assert_array_equal(found.features["first"], found.z[:, 0])


def test_a_surrogate_is_asked_for_and_used(analytic):
    with pytest.raises(ValueError, match="'delayed' and no surrogate"):
        sample_fit(analytic, key=jax.random.key(0), method="delayed")
    with pytest.raises(ValueError, match="'importance' and a surrogate"):
        sample_fit(analytic, key=jax.random.key(0), surrogate=wrong)
    with pytest.raises(ValueError, match="Two chains and one move"):
        sample_fit(
            analytic, key=jax.random.key(0), method="delayed", surrogate=wrong, chains=1
        )


@pytest.mark.slow
def test_it_agrees_with_importance_sampling(found):
    root = jnp.linalg.cholesky(found.covariance)

    def surrogate(z):  # Laplace's normal, a little wider
        off = jax.scipy.linalg.solve_triangular(root, (z - found.z[None]).T, lower=True)
        return -0.5 * jnp.sum((off / 1.2) ** 2, axis=0)

    asked = {"key": jax.random.key(3), "ess": 500.0, "draws": 500, "most": 2500}
    drawn = sample_fit(found, method="delayed", surrogate=surrogate, **asked)
    other = sample_fit(found, **asked)
    sd = np.asarray(list(other.shrinkage.values()))
    apart = drawn.weights @ drawn.weighted_z - other.weights @ other.weighted_z
    # two means of 500 effective draws: 0.063 sd, four of them
    assert (np.abs(apart) < 0.25 * sd).all(), drawn.verdict
    assert float(drawn.diagnostics["accepted"]) > 0.3
