"""docs/acceptance.toml says what is wanted; here nothing in it is taken on trust."""

import ast
import datetime
import os
import re
from pathlib import Path

import pytest

from benchmarks import acceptance

ROOT = Path(__file__).resolve().parents[1]
ROWS = acceptance.rows()
WORDS = {"open", "met", "not met", "needs data", "reported"}
REQUIRED = {"id", "claim", "wanted", "shown_by", "got", "commit", "date", "status"}
REAL_DATA = Path(os.environ.get("CORDAX_DATA") or ROOT.parent / "shared" / "data")


def what_is_wrong(row: dict) -> list[str]:
    """The faults of one row, in words; an honest row has none."""
    absent = REQUIRED - set(row)
    if absent:
        return [f"lacks {sorted(absent)}"]
    faults = []
    expected = acceptance.status(row["wanted"], row["got"])
    status, folder = row["status"], row.get("data", "")
    if status not in WORDS:
        faults.append(f"status {status!r} is none of {sorted(WORDS)}")
    elif status == "needs data":
        if row["got"]:
            faults.append("needs data, yet something was got")
        if not folder or (REAL_DATA / folder).exists():
            faults.append("needs data, yet no folder is named or it is there")
    elif status != expected:
        faults.append(f"says {status!r}; wanted and got say {expected!r}")
    if status == "not met" and len(set(row.get("tries", []))) < 2:
        faults.append("not met without two different tries")
    if row["got"]:
        try:
            datetime.date.fromisoformat(row["date"])
        except ValueError:
            faults.append(f"date {row['date']!r}")
        if not re.fullmatch(r"[0-9a-f]{7,40}\+?", row["commit"]):
            faults.append(f"commit {row['commit']!r}")
        if free := acceptance.cannot_fail(row["wanted"]):
            faults.append(f"{sorted(free)} cannot fail: type wanted = 'reported: ...'")
    elif row["commit"] or row["date"]:
        faults.append("a commit or date without a measurement")
    if row["shown_by"]:
        faults += what_is_missing(row["shown_by"])
    elif status != "open":
        faults.append("nothing shows it")
    return faults


def what_is_missing(shown_by: str) -> list[str]:
    """What a row names and the repository does not hold."""
    words = shown_by.split()
    match words:
        case ["make", target]:
            rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
            return [] if target in rules else [f"no rule {target!r} in the Makefile"]
        case [".ci/run"]:
            return []
        case [".ci/run", stage]:
            script = (ROOT / ".ci" / "run").read_text()
            known = [*re.findall(r"^stage_(\w+)\(\)", script, re.M), "rest", "whole"]
            return [] if stage in known else [f"no stage {stage!r} in .ci/run"]
        case ["python", script, *_]:
            return [] if (ROOT / script).is_file() else [f"no file {script}"]
        case ["cordax", *command]:
            return [] if is_command(command) else [f"no command {shown_by!r}"]
        case _ if all(word.startswith("tests/") for word in words):
            return [f"no test {word}" for word in words if not is_test(word)]
    return [f"cannot read shown_by {shown_by!r}"]


def is_test(node: str) -> bool:
    path, *inside = node.split("::")
    if not (ROOT / path).exists():
        return False
    body = ast.parse((ROOT / path).read_text()).body if inside else []
    for name in inside:
        found = [n for n in body if getattr(n, "name", None) == name.split("[")[0]]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def is_command(words: list[str]) -> bool:
    """Whether the command line's source has each word before the first argument."""
    command = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    said = set()
    for file in (ROOT / "cordax").glob("cli*/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.add(node.value)
            said.add(getattr(node, "name", ""))
    return bool(command) and all(
        w in said or w.replace("-", "_") in said for w in command
    )


@pytest.mark.parametrize("id", ROWS)
def test_row_is_honest(id):
    assert what_is_wrong(ROWS[id]) == []


@pytest.mark.parametrize("id", ROWS)
def test_wanted_can_be_read(id):
    assert acceptance.names(ROWS[id]["wanted"])


HONEST = {
    "id": "x",
    "claim": "An error stays small.",
    "wanted": "rmse <= 6.77",
    "shown_by": "make test",
    "got": "rmse = 6.5",
    "commit": "0123abc",
    "date": "2026-11-21",
    "status": "met",
}


@pytest.mark.parametrize(
    "fault",
    [
        {"got": "rmse = 6.78"},
        {"got": ""},
        {"got": "rmse = nan"},
        {"status": "needs data"},
        {"status": "open"},
        {"status": "done"},
        {"got": "rmse = 7", "status": "not met", "tries": ["a finer grid"]},
        {"got": "rmse = 7", "status": "not met", "tries": ["a grid", "a grid"]},
        {"shown_by": ""},
        {"shown_by": "make nothing"},
        {"shown_by": ".ci/run nothing"},
        {"shown_by": "python benchmarks/nothing.py"},
        {"shown_by": "cordax nothing"},
        {"shown_by": "tests/test_acceptance.py::test_nothing"},
        {"shown_by": "tests/test_nothing.py"},
        {"shown_by": "looked at it"},
        {"date": "yesterday"},
        {"commit": ""},
        {"status": "reported"},
        {"wanted": "rmse > 0"},
        {"wanted": "rmse >= 0 and n == 24", "got": "rmse = 6.5, n = 24"},
        {"wanted": "reported: rmse"},
        {"wanted": "reported: crps", "status": "reported"},
        {"wanted": "reported: rmse", "got": "rmse = nan", "status": "reported"},
    ],
    ids=str,
)
def test_a_false_row_is_found(fault):
    assert what_is_wrong(HONEST) == []
    assert what_is_wrong({**HONEST, **fault}) != []


def test_a_figure_that_is_only_stated_is_reported_not_met():
    row = {**HONEST, "wanted": "reported: rmse", "status": "reported"}
    assert what_is_wrong(row) == []
    assert acceptance.names("reported: rmse, n") == {"rmse", "n"}
    with pytest.raises(ValueError, match="names between commas"):
        acceptance.names("reported: rmse < 1")


@pytest.mark.parametrize(
    ("wanted", "free"),
    [
        ("a > 0", {"a"}),
        ("0 <= a", {"a"}),
        ("a >= -0.0 and b < 1", {"a"}),
        ("a + b >= 0", {"a + b"}),
        ("0 < a < 1", set()),
        ("a > 0 and a < 2", set()),
        ("a >= 3", set()),
        ("a >= b", set()),
        ("a == 0", set()),
        ("a <= 0", set()),
    ],
)
def test_what_cannot_fail_is_told_from_what_can(wanted, free):
    assert acceptance.cannot_fail(wanted) == free


def test_a_row_that_lacks_a_key_is_found():
    for key in REQUIRED:
        assert what_is_wrong({k: v for k, v in HONEST.items() if k != key})


@pytest.mark.parametrize(
    ("wanted", "got", "expected"),
    [
        ("rmse <= 6.77", "rmse = 6.77", True),
        ("rmse < 4.13", "rmse = 4.13", False),
        ("0.79 <= ratio <= 0.92", "ratio = 0.8", True),
        ("0.79 <= ratio <= 0.92", "ratio = 0.93", False),
        ("n == 24 and rmse <= 1.03 * 6.77", "n = 24, rmse = 6.9", True),
        ("n == 24 and rmse <= 1.03 * 6.77", "n = 23, rmse = 6.9", False),
        ("rmse <= 1.03 * rmse_mean", "rmse = 7, rmse_mean = 6.7", False),
        ("-1 < change < 1", "change = -0.5", True),
        ("error <= 1", "error = nan", False),
        ("error >= 1", "error = nan", False),
    ],
)
def test_comparison(wanted, got, expected):
    assert acceptance.holds(wanted, acceptance.values(got)) is expected


@pytest.mark.parametrize(
    "wanted",
    ["", "rmse", "1.03", "good", "f(rmse) < 1", "x.y < 1", "a < 1 or b < 1", "a != 1",
     "a is 1", "not a < 1", "a < 'b'", "a < True", "a < 2 ** 3", "a =< 1",
     "__import__('os').system('true') < 1"],
)  # fmt: skip
def test_what_is_not_a_comparison_is_refused(wanted):
    with pytest.raises(ValueError):
        acceptance.names(wanted)


def test_a_value_that_is_wanted_must_be_given():
    with pytest.raises(ValueError, match="No value for 'rmse'"):
        acceptance.holds("rmse <= 1", {"crps": 0.5})


def example_file(folder: Path, **changes) -> Path:
    file = folder / "acceptance.toml"
    row = {**HONEST, "got": "", "commit": "", "date": "", "status": "open", **changes}
    lines = "\n".join(f'{key} = "{value}"' for key, value in row.items())
    file.write_text(f"# kept\n[[circulation]]\n{lines}\n")
    return file


@pytest.mark.parametrize(("rmse", "status"), [(6.77, "met"), (6.7700001, "not met")])
def test_record_writes_what_the_reader_reads(tmp_path, rmse, status):
    file = example_file(tmp_path)
    assert acceptance.record("x", {"rmse": rmse, "n": 10_000}, file) == status
    row = acceptance.rows(file)["x"]
    assert acceptance.status(row["wanted"], row["got"]) == row["status"] == status
    assert row["date"]
    assert file.read_text().startswith("# kept")


def test_record_of_what_is_only_stated(tmp_path):
    file = example_file(tmp_path, wanted="reported: rmse, n")
    assert acceptance.record("x", {"rmse": 6.5, "n": 3}, file) == "reported"
    assert acceptance.record("x", {"rmse": float("nan"), "n": 3}, file) == "not met"
    with pytest.raises(ValueError, match="not given"):
        acceptance.record("x", {"rmse": 6.5}, file)


def test_record_refuses_an_unknown_row_and_a_missing_value(tmp_path):
    file = example_file(tmp_path)
    with pytest.raises(KeyError, match="no row called 'y'"):
        acceptance.record("y", {"rmse": 1.0}, file)
    with pytest.raises(ValueError, match="rmse"):
        acceptance.record("x", {"crps": 1.0}, file)


def test_record_stages(tmp_path):
    file = example_file(tmp_path, wanted="seconds <= 420", shown_by=".ci/run test")
    assert acceptance.record_stages({"test": 300, "slow": 900}, file) == {"x": "met"}


def test_record_tests_counts_outcomes_and_keeps_properties(tmp_path):
    node = "tests/test_acceptance.py::test_comparison"
    wanted = "passed >= 10 and failed == 0"
    file = example_file(tmp_path, wanted=wanted, shown_by=node)
    assert acceptance.record_tests(file) == {"x": "met"}
    node = "tests/test_acceptance.py::test_that_gives_a_property"
    file = example_file(tmp_path, wanted="error <= 2", shown_by=node)
    assert acceptance.record_tests(file) == {"x": "met"}
    assert acceptance.values(acceptance.rows(file)["x"]["got"])["error"] == 2
    file = example_file(tmp_path, wanted="rmse <= 2", shown_by=node)
    assert acceptance.record_tests(file) == {"x": "not met"}


@pytest.mark.parametrize("error", [2.0, 1.0])
def test_that_gives_a_property(record_property, error):
    record_property("error", error)
