"""A learned discrepancy moves the fit and widens the intervals, and only that."""

import jax
import numpy as np
import pytest

from calibration import Observation, fit
from calibration.observations.discrepancy import Shift, shift, with_discrepancy
from calibration.observations.independence import as_check
from calibration.sampling.posterior import sample_fit
from learned.blocks.ranges import Range
from learned.terms.discrepancy import Sizes, without_data

CVP = "central_venous_pressure"


def fitted(problem, observations):
    return fit(
        problem.model, problem.space, observations, problem.experiment,
        starts=6, key=jax.random.key(3),
    )  # fmt: skip


def measured(observations, by):
    """The same patient, whose venous transducer reads ``by`` mmHg more."""
    return tuple(
        Observation(o.kind, o.value + by, o.sd, o.unit, discrepancy_sd=0.0)
        if o.label == CVP
        else o
        for o in observations
    )


def test_a_known_bias_is_taken_out_of_the_fit(problem, found):
    off = measured(problem.observations, 2.0)
    naive = fitted(problem, off)
    told = fitted(problem, with_discrepancy(off, {CVP: Shift(2.0, 0.0)}))
    sd = np.sqrt(np.diag(np.asarray(found.covariance)))
    away = [np.abs(np.asarray(f.z - found.z) / sd).max() for f in (told, naive)]
    assert away[0] < 1e-3  # the same sum of squares, to the fit's own tolerance
    assert away[1] > 0.3
    assert float(told.predictions[CVP]) == pytest.approx(
        float(found.predictions[CVP]) + 2.0, abs=1e-3
    )


def test_an_uncertain_observable_tells_less_and_its_interval_is_wider(problem, found):
    unsure = with_discrepancy(problem.observations, {CVP: Shift(0.0, 3.0)})
    loose = fitted(problem, unsure)
    for name in ("blood_volume",):
        assert float(loose.shrinkage[name]) > 1.05 * float(found.shrinkage[name])
    width = []
    for one in (found, loose):
        drawn = sample_fit(one, key=jax.random.key(1), method="laplace", draws=200)
        interval = drawn.predictive(0.9)[CVP]
        width.append(float(interval.upper - interval.lower))
    assert width[1] > 3.0 * width[0]


def test_a_ratio_multiplies_what_is_simulated(problem):
    (o,) = (o for o in problem.observations if o.label == CVP)
    (scaled,) = with_discrepancy((o,), {CVP: Shift(0.1, 0.05, "ratio")})
    assert float(scaled.observed(o.value * 0.0 + 5.0)) == pytest.approx(5.5)
    assert float(scaled.discrepancy_sd) == pytest.approx(0.05 * abs(float(o.value)))
    assert float(as_check(scaled).ratio) == pytest.approx(1.1)


def test_without_data_nothing_is_shifted():
    box = Range(("depth",), ("1",), np.zeros(1), np.ones(1))
    one = np.ones(1)
    sizes = Sizes(0.3, one, 0.4, 0.0, one, 0.1, 0.0)
    none = shift(without_data(box, sizes, kind="difference"), np.array([0.5]))
    assert none.mean == 0.0
    assert none.sd == pytest.approx(0.5)  # the prior's: 0.3 and 0.4 in quadrature


def test_what_is_no_discrepancy_is_refused(problem):
    seen = problem.observations
    with pytest.raises(KeyError, match="'spleen' is not a number"):
        with_discrepancy(seen, {"spleen": Shift(0.0, 1.0)})
    with pytest.raises(KeyError, match="systemic_arteries@radial"):
        with_discrepancy(seen, {"pressure.systemic_arteries@radial": Shift(0.0, 1.0)})
    with pytest.raises(ValueError, match="must be finite"):
        with_discrepancy(seen, {CVP: Shift(float("nan"), 1.0)})
    with pytest.raises(ValueError, match="one of difference, ratio"):
        with_discrepancy(seen, {CVP: Shift(0.0, 1.0, "log")})
