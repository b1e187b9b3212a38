"""Whether a report says how far its own computation can be trusted."""

import re

import pytest

from cordax.reports.data import ReportData
from cordax.reports.from_twin import diagnostics_of
from cordax.reports.sections import identifiability

FIT = {"chi2": 5.8, "starts": 6, "starts_converged": 4}
#: what each sampler says of itself where all is well
SOUND = {
    "importance": {"pareto_k": 0.4, "rounds": 2.0, "ess": 1200.0},
    "smc": {"importance_pareto_k": 0.9, "temperatures": 4.0, "ess": 800.0},
    "delayed": {"r_hat": 1.002, "accepted": 0.4, "surrogate_pareto_k": 0.3}
    | {"ess": 1100.0},
    "nuts": {"r_hat": 1.003, "divergences": 3.0, "ess": 1300.0},
    "laplace": {"ess": 256.0},
}
COUNTS = {"draws": 1024.0, "evaluations": 2000.0, "failed": 7.0, "ess_wanted": 255.0}


def rows_of(told):
    """The table's cells as a reader sees them, from the section itself."""
    page = identifiability(
        ReportData(
            title="", patient={}, verdict=(), observations=(), indices=(),
            parameters=(), seed=0, versions={}, created="",
            diagnostics=diagnostics_of(told),
        )
    )  # fmt: skip
    lines = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.S) for line in lines]
    text = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]
    return {name: (value, good, why) for name, value, good, why in text[1:]}


@pytest.mark.parametrize("method", SOUND)
def test_every_figure_of_a_sampler_is_shown_with_its_judgement(method):
    rows = rows_of({"method": method} | FIT | COUNTS | SOUND[method])
    assert rows["method"][0] == method
    assert rows["starts"][:2] == ("4 of 6", "good")
    assert rows["draws without a periodic beat"] == (
        "7",
        "good",
        "of 2000; at most 100",
    )
    given = {f"{v:.4g}" for k, v in (COUNTS | SOUND[method]).items()} - {"255"}
    assert given <= {value for value, _, _ in rows.values()}
    assert "poor" not in {good for _, good, _ in rows.values()}


@pytest.mark.parametrize(
    ("method", "key", "value", "name", "shown"),
    [
        ("importance", "pareto_k", 0.81, "pareto-k", "0.81"),
        ("importance", "pareto_k", "inf", "pareto-k", "inf"),
        ("importance", "ess", 254.0, "effective draws", "254"),
        ("importance", "failed", 101.0, "draws without a periodic beat", "101"),
        ("nuts", "r_hat", 1.02, "R-hat", "1.02"),
        ("nuts", "r_hat", "nan", "R-hat", "nan"),
        ("nuts", "divergences", 11.0, "divergent trajectories", "11"),
        ("delayed", "accepted", 0.01, "accepted by the model", "0.01"),
        ("delayed", "surrogate_pareto_k", 0.9, "pareto-k of the surrogate", "0.9"),
        ("laplace", "starts_converged", 0, "starts", "0 of 6"),
    ],
)
def test_what_is_out_of_bounds_is_poor(method, key, value, name, shown):
    sound = {"method": method} | FIT | COUNTS | SOUND[method]
    assert rows_of(sound)[name][1] == "good"
    assert rows_of(sound | {key: value})[name][:2] == (shown, "poor")


def test_a_figure_nobody_judged_is_shown_all_the_same():
    assert rows_of({"new_figure": 3.0})["new figure"] == ("3", "–", "")
