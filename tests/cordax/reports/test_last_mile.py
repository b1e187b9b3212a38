"""From a posterior to what is printed: every number against a closed form.

The posterior of ``linear_twin`` is normal and known. What ``sample_fit`` draws of it,
and what a what-if, a report's rows, its page and the tables make of the draws, is
compared with its quantiles. 4095 draws place a 5 % quantile with a standard error of
0.034 sd; 0.15 sd is four of those, and a third of what an interval of 80 % in place
of 90 % is off by.
"""

import csv
import math
from dataclasses import replace
from statistics import NormalDist

import linear_twin
import numpy as np
import pytest
from linear_twin import FITTED, FREE, RATE, RATE_BY_GAIN, SLOPES, Answer, Known
from pages import in_common, numbers, row

from benchmarks import recovery
from cordax.reports import from_twin, page
from cordax.reports.csv_tables import write_csv
from cordax.reports.html import unit, words

NEAR = 0.15  # sd, see above
PRINTED = 0.0051, 0.006  # half of the second decimal, or of the third digit
MEASURED = {  # as typed in the record; sd of the measurement
    "mean_pressure": (80.0, 2.5, "mmHg"),
    "central_venous_pressure": (9.2, 1.0, "mmHg"),
    "cardiac_output": (5.4, 0.4, "L/min"),
    "stroke_volume": (70.0, 8.0, "mL"),
}
DOSES = {  # as typed: what x becomes, as a factor and a shift
    "vasodilator=0.8": (np.array([0.8, 1.0]), np.array([0.0, 0.0])),
    # 70 % of a bolus stays
    "fluid_bolus=500mL": (np.array([1.0, 1.0]), np.array([0.0, 350.0])),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return linear_twin.made(tmp_path_factory.mktemp("linear") / "linear.toml")


@pytest.fixture(scope="module")
def posterior(both):
    return both[0]


@pytest.fixture(scope="module")
def twin(both):
    asked = both[1]
    for dose in DOSES:
        asked = asked.remember(asked.whatif([dose]))
    return asked


@pytest.fixture(scope="module")
def whole_sd(twin):
    """Measurement and discrepancy together, by index."""
    allowed = {o.kind: float(o.discrepancy_sd) for o in twin.start.observations}
    return {k: math.hypot(MEASURED[k][1], allowed[k]) for k in MEASURED}


@pytest.fixture(scope="module")
def answer(whole_sd):
    return Answer.of({k: (MEASURED[k][0], whole_sd[k]) for k in FITTED})


@pytest.fixture(scope="module")
def data(twin):
    return from_twin.report_data(twin)


@pytest.fixture(scope="module")
def html(data):
    return page.render(data)


def same(shown, known: Known, level=0.9, printed=(0.0, 0.0)) -> None:
    """Median, lower and upper end are those of a normal quantity, in this order."""
    rounding, digits = printed
    wanted = known.interval(level)
    for got, value in zip(shown, wanted, strict=True):
        near = NEAR * known.sd + max(rounding, digits * abs(value)) + 1e-9
        assert got == pytest.approx(value, abs=near), (shown, wanted)


def parameter(answer, name) -> Known:
    return answer.along(np.eye(2)[list(FREE).index(name)])


def after(answer, dose, name) -> tuple[Known, Known]:
    """An index after a dose, and its change."""
    factor, shift = DOSES[dose]
    slope = np.array(SLOPES[name])
    gone = slope * (factor - 1.0)
    moved = float(slope @ shift)
    return answer.along(slope * factor, moved), answer.along(gone, moved)


# --- the posterior -------------------------------------------------------------------
def test_draws_have_the_mean_and_the_width_of_the_posterior(posterior, answer):
    m0, s0 = np.array(list(FREE.values())).T
    x = np.asarray(posterior.z) * s0 + m0
    sd = np.sqrt(np.diag(answer.covariance))
    assert (np.abs(x.mean(0) - answer.mean) < 0.08 * sd).all()
    np.testing.assert_allclose(x.std(0), sd, rtol=0.06)
    wanted = answer.covariance[0, 1] / sd.prod()
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(wanted, abs=0.05)
    # the fit's own normal, and what is told of it, are exact
    laplace = np.sqrt(np.diag(posterior.fit.covariance))
    np.testing.assert_allclose(laplace, answer.sd_z)
    told = np.array([float(v) for v in posterior.shrinkage.values()])
    np.testing.assert_allclose(told, answer.sd_z, rtol=0.05)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_have_the_level_they_are_asked_for(posterior, answer, level):
    found = posterior.intervals(level)
    for name in FREE:
        same(found[name], parameter(answer, name), level)
    for name in SLOPES:
        same(found[name], answer.of_index(name), level)
    usual = posterior.intervals()  # is of 90 %
    same(usual["mean_pressure"], answer.of_index("mean_pressure"))


def test_a_repeated_measurement_spreads_by_its_error_too(posterior, answer, whole_sd):
    found = {k.partition("@")[0]: v for k, v in posterior.predictive().items()}
    assert set(found) == set(MEASURED)
    for name in MEASURED:
        known = answer.along(np.array(SLOPES[name]), noise=whole_sd[name])
        same(found[name], known)


# --- rows of the report --------------------------------------------------------------
def test_measurements_stand_beside_what_is_predicted(data, answer, whole_sd):
    assert {r.name for r in data.observations} == set(MEASURED)
    for r in data.observations:
        value, sd, label = MEASURED[r.name]
        assert (r.value, r.sd, r.unit) == (value, sd, label)
        known = answer.of_index(r.name)
        same(r.predicted, known)
        # above the prediction: positive
        wanted = (value - known.mean) / whole_sd[r.name]
        assert r.residual == pytest.approx(wanted, abs=NEAR)
        assert r.role == ("likelihood" if r.name in FITTED else "check")
    worst = max(data.observations, key=lambda r: abs(r.residual))
    assert abs(worst.residual) > 4 * NEAR  # so that a sign shows


def test_prior_and_posterior_are_two_things(data, answer):
    rows = {r.name: r for r in data.parameters}
    assert set(rows) == {*FREE, "reflex.gain"}
    for name, (mean, sd) in FREE.items():
        known = parameter(answer, name)
        np.testing.assert_allclose(rows[name].prior, Known(mean, sd).interval())
        same(rows[name].posterior, known)
        assert rows[name].sd_ratio == pytest.approx(known.sd / sd, rel=0.05)
        # the two columns differ by more than an end may be off
        width = rows[name].posterior.upper - rows[name].posterior.lower
        assert width < 0.8 * 2 * 1.6449 * sd
    gain = rows["reflex.gain"]
    assert gain.prior == gain.posterior and gain.sd_ratio == 1.0


def test_indices_have_the_unit_of_their_number(data, answer):
    rows = {r.name: r for r in data.indices}
    assert set(rows) == {*SLOPES, "heart_rate"}
    for name, (_, _, typed) in MEASURED.items():
        r = rows[name]
        same(r.value, answer.of_index(name))
        (kind, size), (of, wanted) = (
            in_common(r.value.median, label) for label in (r.unit, typed)
        )
        assert kind == of and size == pytest.approx(wanted)
    assert rows["heart_rate"].value == (RATE, RATE, RATE)


# --- the what-if ---------------------------------------------------------------------
@pytest.mark.parametrize("dose", DOSES)
def test_a_what_if_changes_every_index_as_it_must(twin, answer, dose):
    (found,) = (w for w in twin.what_ifs if w.title == dose)
    for name in SLOPES:
        r = found.row(name)
        later, change = after(answer, dose, name)
        same(r.before, answer.of_index(name))
        same(r.after, later)
        same(r.change, change)
    assert (found.draws, found.draws_lost) == (linear_twin.DRAWS, 0)
    assert found.row("cardiac_output").unit == "L/min"


@pytest.mark.parametrize("dose", DOSES)
def test_where_the_reflex_is_said_to_be_on_it_acts(twin, dose):
    """Awake: LogNormal(0.6, 0.5) of the gain, and 10 beats a minute for each."""
    (found,) = (w for w in twin.what_ifs if w.title == dose)
    assert found.reflex.startswith("on, loop gain")
    prior = twin.start.reflex_gain
    middle, sd = float(prior.median), float(prior.sd_log)
    ends = [0.0, *(s * NormalDist().inv_cdf(0.95) for s in (-1, 1))]
    change = found.row("heart_rate").change
    for got, end in zip(change, ends, strict=True):
        wanted = RATE_BY_GAIN * middle * math.exp(sd * end)
        # a standard error of 0.034 sd of the logarithm at an end
        assert got == pytest.approx(wanted, rel=NEAR * sd)
    loop_gain = numbers(found.reflex)
    assert loop_gain == pytest.approx([0.35 * v for v in change], abs=0.06)


# --- the page and the tables ---------------------------------------------------------
def test_the_page_prints_the_measurements_and_their_residuals(html, answer, whole_sd):
    for name, (value, sd, label) in MEASURED.items():
        shown = row(html, "observations", words(name))
        assert unit(label) in shown[0] and ("check" in shown[0]) == (name not in FITTED)
        assert numbers(shown[1]) == [value, sd]
        known = answer.of_index(name)
        same(numbers(shown[3]), known, printed=PRINTED)
        (residual,) = numbers(shown[4])
        wanted = (value - known.mean) / whole_sd[name]
        assert residual == pytest.approx(wanted, abs=NEAR + 0.01)


def test_the_page_prints_prior_and_posterior_in_their_columns(html, answer):
    for name, (mean, sd) in FREE.items():
        shown = row(html, "parameters", words(name))
        known = parameter(answer, name)
        prior = Known(mean, sd).interval()
        assert numbers(shown[1]) == pytest.approx(prior, rel=PRINTED[1])
        same(numbers(shown[2]), known, printed=PRINTED)
        assert numbers(shown[4])[0] == pytest.approx(known.sd / sd, rel=0.06)


def test_the_page_prints_before_after_and_change(twin, answer):
    for dose in DOSES:
        one = replace(twin, what_ifs=tuple(w for w in twin.what_ifs if w.title == dose))
        shown = page.render(replace(
            from_twin.report_data(one), waveforms=(), loops=()
        ))  # fmt: skip
        for name in SLOPES:
            cells = row(shown, "whatif", words(name))
            later, change = after(answer, dose, name)
            same(numbers(cells[1]), answer.of_index(name), printed=PRINTED)
            same(numbers(cells[2]), later, printed=PRINTED)
            same(numbers(cells[3]), change, printed=PRINTED)
        assert "▼" in row(shown, "whatif", "Mean pressure")[3] or "fluid" in dose


def test_the_tables_hold_the_same_numbers(data, posterior, answer, tmp_path):
    write_csv(tmp_path / "t", data, {k: np.asarray(v) for k, v in
                                     posterior.draws.items()})  # fmt: skip

    def read(name):
        with (tmp_path / "t" / name).open() as file:
            return list(csv.DictReader(file))

    def three(r, *keys):
        return [float(r[k]) for k in keys]

    indices = {r["name"]: r for r in read("indices.csv")}
    for name, (_, _, label) in MEASURED.items():
        r = indices[name]
        assert r["unit"] == label and r["measured"] == "1"
        same(three(r, "median", "q05", "q95"), answer.of_index(name))
    for r in read("parameters.csv")[:2]:
        name = r["name"]
        prior = three(r, "prior_median", "prior_q05", "prior_q95")
        np.testing.assert_allclose(prior, Known(*FREE[name]).interval())
        same(three(r, "median", "q05", "q95"), parameter(answer, name))
    drawn = np.array([three(r, *FREE) for r in read("draws.csv")])
    sd = np.sqrt(np.diag(answer.covariance))
    np.testing.assert_allclose(drawn.std(0), sd, rtol=0.06)
    waves = [r for r in read("waveforms.csv") if r["signal"] == "Aortic pressure"]
    assert len(waves) == 101 and {r["unit"] for r in waves} == {"mmHg"}
    same(three(waves[0], "median", "q05", "q95"), answer.of_index("mean_pressure"))


def test_the_recovery_study_counts_by_the_interval_that_is_shown(posterior, answer):
    """A true value just inside either end is covered, one just outside is not."""
    m0, s0 = np.array(list(FREE.values())).T
    ends = np.array([parameter(answer, k).interval(0.8) for k in FREE])
    width = ends[:, 2] - ends[:, 1]
    for end, outwards in ((1, -1.0), (2, 1.0)):
        for by, wanted in ((-0.1, 1.0), (0.1, 0.0)):
            z = (ends[:, end] + outwards * by * width - m0) / s0
            share = recovery.covered([posterior], z[None], 0.8)
            assert share.tolist() == [wanted] * 2


def test_a_narrowed_posterior_would_be_seen(posterior, answer):
    """The sibling that fails."""
    name = "systemic.resistance"
    draws = np.asarray(posterior.draws[name])
    narrow = draws.mean() + 0.7 * (draws - draws.mean())
    ends = (float(np.median(narrow)), *np.quantile(narrow, [0.05, 0.95]))
    with pytest.raises(AssertionError):
        same(ends, parameter(answer, name))
