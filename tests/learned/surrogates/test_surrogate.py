"""Surrogates: the regressions against references, true error bars, and bad input."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.assessment.scores import coverage_band
from learned.surrogates import gaussian_process as process
from learned.surrogates import surrogate
from learned.surrogates.gaussian_process import fit_processes, shared_penalty
from learned.surrogates.outputs import Wave, prefers_logarithm
from learned.surrogates.polynomial import fit_polynomial, terms
from learned.surrogates.surrogate import (
    LEVELS,
    Surrogate,
    conformal_factors,
    fit_surrogate,
    train_surrogate,
)

NAMES, UNITS = ("resistance", "compliance", "rate"), ("mmHg s/mL", "mL/mmHg", "1/min")
TIME = np.linspace(0.0, 1.0, 25)
RUNS = 60


def drawn(key, n):
    """Positive parameters about 1, the last about 70."""
    z = jax.random.uniform(key, (n, 3), minval=-1.0)
    return jnp.exp(0.5 * z) * jnp.array([[1.0, 1.0, 70.0]])


def simulated(x):
    """A pressure, a wave of two shapes, and who is sound."""
    first, second = jnp.exp(-2.0 * TIME), jnp.sin(6.0 * TIME)
    wave = x[:, :1] * first[None, :] + jnp.log(x[:, 1:2]) * second[None, :]
    return {"pressure": x[:, 0] * x[:, 2], "wave": wave}, x[:, 0] > 0.0


LEARNERS = {"processes": fit_processes, "polynomial": partial(fit_polynomial, degree=3)}


@pytest.fixture(scope="module")
def runs():
    x = drawn(jax.random.key(1), 120)
    return np.asarray(x), {k: np.asarray(v) for k, v in simulated(x)[0].items()}


@pytest.fixture(scope="module", params=list(LEARNERS))
def trained(request) -> Surrogate:
    return train_surrogate(
        simulated, drawn, NAMES, UNITS, key=jax.random.key(0), runs=RUNS, batch=32,
        learn=LEARNERS[request.param],
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(trained):
    """The surrogate at 200 fresh draws, with the truth there."""
    x = drawn(jax.random.key(2), 200)
    return x, simulated(x)[0], eqx.filter_jit(eqx.filter_vmap(trained))(x)


# What a surrogate answers


def test_fresh_runs_are_told(told):
    _, truth, seen = told
    for name in truth:
        # 1 % of the spread: both regressions reach 0.3 % here
        error = np.sqrt(np.mean((seen.values[name] - truth[name]) ** 2))
        assert error < 0.01 * np.std(truth[name]), name


def test_many_points_are_the_points_one_by_one(trained, told):
    x, _, seen = told
    one = eqx.filter_jit(trained)(x[7])
    for name in one.values:
        # sums of a hundred products in another order
        np.testing.assert_allclose(seen.values[name][7], one.values[name], rtol=1e-8)
        np.testing.assert_allclose(seen.sd[name][7], one.sd[name], rtol=1e-5)
    np.testing.assert_allclose(
        eqx.filter_jit(trained.mean)(x[7])["wave"], one.values["wave"], rtol=1e-8
    )


def test_gradient_is_the_slope_of_the_answer(trained):
    x, step = jnp.array([1.0, 1.1, 70.0]), 1e-5

    @jax.jit
    def pressure(x):
        return trained.mean(x)["pressure"]

    slope = jax.jit(jax.grad(pressure))(x)[0]
    ahead = jnp.array([step, 0.0, 0.0])
    differences = (pressure(x + ahead) - pressure(x - ahead)) / (2.0 * step)
    # central differences of a smooth function: step^2 and rounding / step
    assert slope == pytest.approx(float(differences), rel=1e-5)
    assert slope == pytest.approx(70.0, rel=0.05)  # d(R x rate)/dR


def test_a_question_outside_the_range_is_flagged(trained):
    ask = eqx.filter_jit(trained)
    assert ask(jnp.array([1.0, 1.0, 70.0])).inside
    far = ask(jnp.array([3.0, 1.0, 70.0]))
    assert not far.inside
    assert far.excess > 1.0  # 3 lies 1.3 of the range's widths above its end


def test_logarithms_of_what_is_positive_and_spread(runs):
    x, y = runs
    x = np.column_stack([x[:, 0], x[:, 1] - 2.0, 70.0 + x[:, 2] / 70.0])
    made = fit_surrogate(
        x, y, NAMES, UNITS, key=jax.random.key(0), learn=LEARNERS["polynomial"]
    )
    assert made.logged == (True, False, False)


# Error bars


def test_factors_are_order_statistics():
    """Of the errors 1 ... 99 the one numbered (99 + 1) level."""
    errors = np.random.default_rng(0).permutation(np.arange(1.0, 100.0))
    assert conformal_factors(errors).tolist() == [69.0, 80.0, 90.0, 95.0]


def read_off(rng, n, copies):
    """A windkessel's pressure, read ``copies`` times with noise of 2 %.

    Neither regression has it in its span: of what is, the errors are rounding's.
    """
    x = np.exp(0.5 * rng.uniform(-1.0, 1.0, (n, 3))) * np.array([[1.0, 1.0, 70.0]])
    beat = 60.0 / x[:, 2] / (1.2 * x[:, 0] * x[:, 1])  # in time constants
    pressure = x[:, 0] * x[:, 2] * np.exp(-0.3 * beat) / (1.0 - np.exp(-beat))
    noise = 1.0 + 0.02 * rng.standard_normal((copies, n))
    return x, {f"reading {k}": pressure * noise[k] for k in range(copies)}


def covered(learn, seeds, copies):
    """Shares of fresh readings within 90 % intervals, and within four fifths of them,
    one of each reading of each fit."""
    within, narrower = [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x, y = read_off(rng, RUNS, copies)
        made = fit_surrogate(x, y, NAMES, UNITS, key=jax.random.key(seed), learn=learn)
        fresh, truth = read_off(rng, 200, copies)
        ends = jax.jit(jax.vmap(lambda x, s=made: s.interval(x, 0.9)))(fresh)
        for name, (lower, upper) in ends.items():
            off = np.abs(truth[name] - 0.5 * (lower + upper)) / (0.5 * (upper - lower))
            within.append(np.mean(off <= 1.0))
            narrower.append(np.mean(off <= 0.8))
    return within, narrower


@pytest.mark.parametrize(
    "learn",
    [fit_processes, partial(fit_polynomial, degree=2)],
    ids=["processes", "polynomial"],
)
def test_intervals_cover_what_they_say(learn):
    """90 % intervals of nine fits, in the 99.9 % band of all their draws together.

    A fit's own coverage spreads as that of 200 draws and of the 60 errors which made
    its factor. Intervals a fifth too narrow are out of the band.
    """
    within, narrower = covered(learn, seeds=3, copies=3)
    low, high = coverage_band(46 * len(within), 0.9, 0.999)  # 1/46 = 1/200 + 1/60
    assert low <= np.mean(within) <= high, within
    assert not low <= np.mean(narrower) <= high, narrower


def test_errors_of_a_refit_are_in_the_measure_of_the_whole(runs):
    """A refit that doubts itself twice as much says the same of its errors.

    Not so in its own sd: of 20 terms told by 60 runs, refits of 45 then made 90 %
    intervals that covered 0.85.
    """
    x, y = runs
    told = {"pressure": y["pressure"]}
    made = fitted(x, told)
    _, sd = surrogate._moments_of_many(made, jnp.asarray(x[:20]))
    doubting = eqx.tree_at(lambda s: s.regression.variance, made, replace_fn=_fourfold)
    own, other = (
        surrogate._standard_errors(refit, x, told, x[:20], sd)["pressure"]
        for refit in (made, doubting)
    )
    np.testing.assert_allclose(own, other, rtol=1e-10)
    assert own.max() > 0.1


def _fourfold(variance):
    return 4.0 * variance


def test_error_bars_are_true_where_the_regression_is_wrong():
    """Noise of heavy tails that grows with an input: 80 % of a normal by the
    regression's own sd is out of the band, the calibrated interval is in it."""
    rng = np.random.default_rng(3)

    def noisy(n):
        x = rng.uniform(1.0, 2.0, (n, 3))
        heavy = rng.standard_t(2.2, n) * x[:, 1] ** 3
        return x, {"index": 10.0 * x[:, 0] + heavy}

    made = fit_surrogate(
        *noisy(400), NAMES, UNITS, key=jax.random.key(0),
        learn=partial(fit_polynomial, degree=1),
    )  # fmt: skip
    x, truth = noisy(2000)
    ends = jax.jit(jax.vmap(lambda x: made.interval(x, 0.8)))(jnp.asarray(x))
    lower, upper = ends["index"]
    half = 0.5 * (upper - lower)
    off = jnp.abs(truth["index"] - 0.5 * (lower + upper))
    own = 1.2816 * half / made.factors["index"][LEVELS.index(0.8)]
    band = coverage_band(333, 0.8, 0.999)  # 1 / 333 = 1 / 2000 + 1 / 400
    assert band[0] <= float(jnp.mean(off <= half)) <= band[1]
    assert not band[0] <= float(jnp.mean(off <= own)) <= band[1]


def test_what_modes_leave_out_counts():
    """Waves of three shapes told by one mode: ``left_out`` is the size of the error."""
    rng = np.random.default_rng(0)
    shapes = np.stack([np.ones(25), np.sin(6 * TIME), np.cos(9 * TIME)])
    samples = (rng.standard_normal((300, 3)) * np.array([[3.0, 0.2, 0.1]])) @ shapes
    whole, one = Wave.of(samples, None), Wave.of(samples, 1)
    assert whole.modes.shape == (3, 25)
    mean, modes = np.asarray(one.mean), np.asarray(one.modes)
    rest = samples - mean - one.amplitudes(samples) @ modes
    # the same sum in another order
    np.testing.assert_allclose(np.sqrt((rest**2).mean(0)), one.left_out, rtol=1e-8)
    assert one.amplitudes(samples).std() == pytest.approx(1.0)  # unit spread
    assert np.max(whole.left_out) < 1e-12  # round-off: nothing is left out


def test_logarithm_of_what_is_a_product(runs):
    """Of exp(a line), and of minus that; not of a line, nor of what changes sign."""
    x = np.log(runs[0])
    product, line = np.exp(x[:, 0] - 2.0 * x[:, 1]), 9.0 + x[:, 0] - 2.0 * x[:, 1]
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(x))
    assert prefers_logarithm(x, product * (1.0 + noise))
    assert prefers_logarithm(x, -product * (1.0 + noise))
    assert not prefers_logarithm(x, line + noise)
    assert not prefers_logarithm(x, line - 9.0 + noise)
    assert not prefers_logarithm(x[:5], product[:5])  # a line through five is exact


# Gaussian processes


def random_process():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    flat = np.concatenate([[-0.5, 0.2, -1.0], [0.3, -0.4, -1.0, -60.0, -2.0]])
    return x, y, flat


def test_marginal_likelihood_and_prediction_equal_tinygp():
    """A library's covariance of the same parts, without the squares."""
    tinygp = pytest.importorskip("tinygp")
    x, y, flat = random_process()
    s, (a, b, c, _, noise) = np.exp(flat[:3]), np.exp(flat[3:])
    at = jnp.array([[0.1, -0.3, 0.7]])

    @jax.jit
    def reference():
        kernels, straight = tinygp.kernels, tinygp.kernels.distance.L2Distance()
        parts = kernels.Matern32, kernels.Matern52, kernels.ExpSquared
        one, two, three = (part(distance=straight) for part in parts)
        near, dot = (
            tinygp.transforms.Linear(s, k)
            for k in ((one + two + three) * (1 / 3), kernels.DotProduct())
        )
        whole = tinygp.GaussianProcess(
            a * near + b * dot + c * dot * dot, x, diag=noise
        )
        known = whole.condition(y, at)
        return known.log_probability, known.gp.loc[0], known.gp.variance[0]

    expected = [float(v) for v in reference()]
    value, _ = process._evidence(flat, jnp.asarray(x), y)
    constant = 0.5 * len(y) * math.log(2.0 * math.pi)
    # 1e-12 under the root of the distance, times the sensitivity of a 12 x 12 inverse
    assert value + constant == pytest.approx(-expected[0], rel=1e-7)
    covariance = process._covariance(flat, x)
    precision = process._inverted(covariance)[0]
    kernel = jax.tree.map(lambda v: v[None], process._kernel(jnp.asarray(flat)))
    made = process.Processes(
        jnp.asarray(x), kernel, jnp.asarray((precision @ y)[None]),
        jnp.asarray(precision[None]),
    )  # fmt: skip
    mean, variance = eqx.filter_jit(made.moments)(at[0])
    assert mean[0] == pytest.approx(expected[1], rel=1e-6)
    assert variance[0] - noise == pytest.approx(expected[2], rel=1e-5)


def test_slope_of_the_likelihood_is_its_finite_difference():
    x, y, flat = random_process()
    flat[-2] = -1.0
    x = jnp.asarray(x)
    _, slope = process._evidence(flat, x, y)
    steps = 1e-5 * np.eye(flat.size)
    differences = [
        (process._evidence(flat + h, x, y)[0] - process._evidence(flat - h, x, y)[0])
        / 2e-5
        for h in steps
    ]
    # rounding of 1e-15 x 10 over 2e-5, and the square of the step
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-8)
    assert not np.allclose(1.001 * slope, differences, rtol=1e-6, atol=1e-8)


def test_an_input_of_no_output_is_doubted_most():
    """Log relevances of two outputs: input 1 serves both, input 2 one, input 3 none."""
    w = shared_penalty(np.log([[2.0, 2.0, 1e-4], [2.0, 1e-4, 1e-4]]))
    assert w[0] < w[1] < w[2]
    assert w[2] == pytest.approx(3.0 * process.PENALTY, rel=1e-2)


def test_inputs_without_effect_fade(runs):
    """The pressure is R x rate: the compliance's relevance is the least by far."""
    x, y = runs
    standard = np.log(x)
    standard = (standard - standard.mean(0)) / standard.std(0)
    target = (y["pressure"] - y["pressure"].mean()) / y["pressure"].std()
    made = fit_processes(standard, target[:, None])
    s = np.exp(made.kernels.relevance[0])
    assert 100.0 * s[1] < min(s[0], s[2])


# Polynomials


def test_terms_are_all_products():
    x = jnp.array([2.0, 3.0, 5.0])
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4)]
    wanted = sorted(2.0**i * 3.0**j * 5.0**k for i, j, k in powers if i + j + k <= 3)
    assert sorted(np.asarray(terms(x, 3)).tolist()) == wanted


def test_left_out_errors_are_those_of_refits():
    """The closed form against 15 explicit refits of a straight line."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((15, 2)), rng.standard_normal((15, 1))
    variance = float(fit_polynomial(x, y, degree=1).variance[0])
    off = []
    for k in range(15):
        kept = np.arange(15) != k
        made = fit_polynomial(x[kept], y[kept], degree=1)
        off.append(float(y[k, 0] - made.mean(jnp.asarray(x[k]))[0]))
    # the ridge of 1e-10
    assert variance == pytest.approx(np.mean(np.square(off)), rel=1e-6)


def test_the_degree_is_chosen_by_left_out_runs():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    y = (1.0 + x[:, 0] * x[:, 1] ** 2)[:, None] + 1e-3 * rng.standard_normal((200, 1))
    assert fit_polynomial(x, y).degree == 3
    assert fit_polynomial(x[:20], y[:20]).degree < 3  # too few rows for its ten terms


# Bad input


def fitted(x, y, **more):
    return fit_surrogate(
        x, y, NAMES, UNITS, key=jax.random.key(0), learn=LEARNERS["polynomial"], **more
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x, y: (x[:15], {k: v[:15] for k, v in y.items()}), "20 are the fewest"),
        (lambda x, y: (x * np.array([[1, 1, 0.0]]), y), "rate is 0 in all"),
        (lambda x, y: (np.where(x == x[4, 0], np.nan, x), y), "resistance: 1 of 120"),
        (lambda x, y: (x, y | {"flow": np.full(120, 5.0)}), "flow is 5 in all 120"),
        (
            lambda x, y: (x, y | {"flow": np.where(np.arange(120) == 9, np.nan, 1.0)}),
            "flow is not finite in 1 of 120 runs, the first number 9",
        ),
        (lambda x, y: (x, y | {"flow": np.ones(7)}), "flow: one value or one waveform"),
        (lambda x, y: (x, {}), "one output at least"),
        (lambda x, y: (x[:, :2], y), "one column each"),
        (
            lambda x, y: (x[:20], {k: v[:20] for k, v in y.items()}),
            "Degree 3 in 3 inputs has 20 terms",
        ),
    ],
)
def test_bad_runs_are_refused(runs, spoil, said):
    with pytest.raises(ValueError, match=said):
        fitted(*spoil(*runs))


def test_a_level_that_was_not_calibrated_is_refused(trained):
    with pytest.raises(ValueError, match="calibrated at"):
        trained.interval(jnp.ones(3), 0.5)


@pytest.mark.parametrize(("share", "refused"), [(0.05, False), (0.2, True)])
def test_failed_runs_are_left_out_and_counted(share, refused):
    def failing(x):
        outputs, ok = simulated(x)
        n = int(share * len(x))
        spoilt = {k: v.at[:n].set(jnp.nan) for k, v in outputs.items()}
        return spoilt, ok.at[:n].set(False)

    def train():
        return train_surrogate(
            failing, drawn, NAMES, UNITS, key=jax.random.key(0), runs=120, batch=60,
            learn=LEARNERS["polynomial"],
        )  # fmt: skip

    if refused:
        with pytest.raises(ValueError, match="24 of 120 runs failed"):
            train()
    else:
        made = train()
        assert (made.runs, made.failed) == (114, 6)
        assert all(bool(jnp.isfinite(v).all()) for v in jax.tree.leaves(
            eqx.filter(made, eqx.is_array)))  # fmt: skip
