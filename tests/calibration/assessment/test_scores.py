"""Scores against closed forms; every check of calibration can fail."""

import numpy as np
import pytest
from scipy import integrate, stats

from calibration.assessment.scores import (
    coverage,
    coverage_band,
    crps_gaussian,
    crps_sample,
    inside,
    paired_difference,
    rank_test,
    ranks,
    rmse,
    root_mean_square,
)


def test_rmse_of_known_errors():
    assert rmse(np.array([1.0, 2.0]), np.array([4.0, 6.0])) == pytest.approx(
        np.sqrt(12.5)
    )


def test_gaussian_crps_is_the_integral_it_stands_for():
    def integrand(x):
        return (stats.norm.cdf(x, 2.0, 1.5) - (x >= 3.0)) ** 2

    wanted = integrate.quad(integrand, -20, 3)[0] + integrate.quad(integrand, 3, 20)[0]
    got = crps_gaussian(np.array([2.0]), np.array([1.5]), np.array([3.0]))
    np.testing.assert_allclose(got, [wanted], rtol=1e-7)
    # at its centre a standard normal scores (sqrt(2) - 1) / sqrt(pi)
    centre = crps_gaussian(np.zeros(1), np.ones(1), np.zeros(1))
    np.testing.assert_allclose(centre, [(np.sqrt(2) - 1) / np.sqrt(np.pi)], rtol=1e-12)


def test_sample_crps_tends_to_the_gaussian():
    draws = 2.0 + 1.5 * np.random.default_rng(0).normal(size=(1, 40_000))
    wanted = crps_gaussian(np.array([2.0]), np.array([1.5]), np.array([3.0]))
    # standard error of 40,000 draws about 0.004
    np.testing.assert_allclose(crps_sample(draws, np.array([3.0])), wanted, atol=0.015)


def test_sample_crps_of_two_draws_by_hand():
    # E|X - y| = (1 + 3) / 2, E|X - X'| over different draws = 2
    got = crps_sample(np.array([[1.0, 3.0]]), np.array([0.0]))
    np.testing.assert_allclose(got, [1.0])


def test_coverage_holds_for_an_exact_sampler_and_fails_for_a_narrow_one():
    rng = np.random.default_rng(0)
    truth, draws = rng.normal(size=400), rng.normal(size=(400, 500))
    for level in (0.5, 0.8, 0.9):
        low, high = coverage_band(400, level, 0.99)
        assert low <= coverage(draws, truth, level) <= high
        assert coverage(0.5 * draws, truth, level) < low
        assert coverage(2.0 * draws, truth, level) > high
    assert inside(draws, truth, 0.9).dtype == bool


def test_a_paired_difference_sees_what_unpaired_scatter_hides():
    rng = np.random.default_rng(0)
    common = 10.0 * rng.normal(size=40)
    first, second = common + 0.2, common + 0.1 * rng.normal(size=40)
    told = paired_difference(first, second)
    assert told.lower > 0.0
    assert told.lower < told.value < told.upper
    same = paired_difference(first, first, statistic=root_mean_square)
    assert same == (0.0, 0.0, 0.0)


def test_rank_statistics_pass_for_exact_and_fail_for_wrong_samplers():
    rng = np.random.default_rng(3)
    truth, draws = rng.normal(size=(4, 200)), rng.normal(size=(4, 200, 99))

    def tested(draws):
        return rank_test(
            np.stack([ranks(d, t) for d, t in zip(draws, truth, strict=True)]), 99
        )

    assert tested(draws).ok
    assert not tested(0.4 * draws).ok  # overconfident
    assert not tested(draws + 0.6).ok  # biased


def test_bands_hold_as_often_as_they_say():
    rng = np.random.default_rng(7)
    passed = [rank_test(rng.integers(0, 100, (3, 100)), 99).ok for _ in range(300)]
    # Bonferroni is conservative: at least 99 %; 0.97 is 3 standard errors below
    assert np.mean(passed) > 0.97


@pytest.mark.parametrize(
    "bad",
    [
        lambda: rmse(np.array([1.0]), np.array([np.nan])),
        lambda: rmse(np.array([1.0]), np.array([1.0, 2.0])),
        lambda: crps_gaussian(np.zeros(1), np.zeros(1), np.zeros(1)),
        lambda: crps_sample(np.zeros((1, 1)), np.zeros(1)),
        lambda: inside(np.zeros((1, 5)), np.zeros(1), 1.5),
        lambda: rank_test(np.full((1, 5), 200), 99),
    ],
)
def test_what_cannot_be_scored_is_refused(bad):
    # TypeError: shapes are refused by the annotation where tests check those
    with pytest.raises((ValueError, TypeError)):
        bad()


def test_bands_are_as_narrow_as_they_say():
    """An end is the first count whose tail is no longer below the corrected share:
    what lies beyond has less, and with one case more it has more."""
    n_case, n_draw, n_parameter, levels = 100, 99, 3, 20
    found = rank_test(np.zeros((n_parameter, n_case), int), n_draw)
    share = 0.5 * (1.0 - 0.99) / (n_parameter * (levels - 1))
    assert found.levels == pytest.approx(np.arange(1, levels) / levels)
    for p, low, high in zip(found.levels, found.lower, found.upper, strict=True):
        least, most = round(low * n_case), round(high * n_case)
        outside = stats.binom.cdf(least - 1, n_case, p)
        assert outside < share <= stats.binom.cdf(least, n_case, p)
        outside = stats.binom.sf(most, n_case, p)
        assert outside <= share < stats.binom.sf(most - 1, n_case, p)
