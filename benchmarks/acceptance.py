"""Reads and writes docs/acceptance.toml: what is wanted, and what was measured.

A row's `wanted` is a comparison of named values, `got` the values last measured:

    wanted = "n == 24 and rmse <= 1.03 * 6.77"     got = "n = 24, rmse = 6.71"

Chains, `and`, numbers, names and + - * / are understood and nothing else. A figure
that is only stated cannot fail, and says so: its status is "reported", never "met".

    wanted = "reported: period_ms, meander_mm"

Only `make validate` and `make bench` write `got`, `commit`, `date` and `status`,
through `record`, `record_tests` and `record_stages`.
"""

import ast
import datetime
import math
import operator
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import tomlkit

STATED = "reported"  # status, and how `wanted` begins, of what nothing is asked of

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "acceptance.toml"

_COMPARE = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def stated(wanted: str) -> tuple[str, ...]:
    """The values a row reports without asking anything of them; () of a comparison."""
    word, _, listed = wanted.partition(":")
    found = tuple(name.strip() for name in listed.split(","))
    if word.strip() != STATED:
        return ()
    if not all(name.isidentifier() for name in found):
        raise ValueError(f"{wanted!r}: type {STATED}: and names between commas.")
    return found


def holds(wanted: str, got: dict[str, float]) -> bool:
    """Whether the measured values satisfy the comparison; NaN satisfies none."""
    return _truth(_parse(wanted), got)


def cannot_fail(wanted: str) -> set[str]:
    """Values that a comparison asks no more of than not to be negative.

    Of a time, a count or an error's size that is no condition. A name is fine where
    another part of the comparison bounds it.
    """
    if stated(wanted):
        return set()
    bounds = [
        (ast.unparse(side), _harmless(op, other))
        for part in ast.walk(_parse(wanted))
        if isinstance(part, ast.Compare)
        for side, op, other in _sides(part)
    ]
    free = {side for side, harmless in bounds if harmless}
    return free - {side for side, harmless in bounds if not harmless}


def _sides(part: ast.Compare) -> list[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """(measured, comparison, bound) of a chain; what is on the right turned round."""
    terms, found = [part.left, *part.comparators], []
    turned = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
    for left, op, right in zip(terms, part.ops, terms[1:], strict=False):
        if _measured(left):
            found.append((left, op, right))
        if _measured(right):
            found.append((right, turned.get(type(op), type(op))(), left))
    return found


def _measured(side: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) for node in ast.walk(side))


def _harmless(op: ast.cmpop, bound: ast.expr) -> bool:
    if not isinstance(op, ast.Gt | ast.GtE) or _measured(bound):
        return False
    return _number(bound, {}) == 0.0


def names(wanted: str) -> set[str]:
    """The values a row needs; `ValueError` where it is no comparison or report."""
    if told := stated(wanted):
        return set(told)
    tree = _parse(wanted)
    needed = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    _truth(tree, dict.fromkeys(needed, 1.0))
    return needed


def values(got: str) -> dict[str, float]:
    """What the `got` of a row says: "n = 24, rmse = 6.71" as a dictionary."""
    pairs = (item.split("=") for item in got.split(",") if item.strip())
    return {name.strip(): float(value) for name, value in pairs}


def status(wanted: str, got: str) -> str:
    """The status that follows from what is wanted and what was measured."""
    if not got:
        return "open"
    return _verdict(wanted, values(got))


def _verdict(wanted: str, got: dict[str, float]) -> str:
    """What is only reported must at least be there."""
    if told := stated(wanted):
        there = all(math.isfinite(got.get(name, math.nan)) for name in told)
        return STATED if there else "not met"
    return "met" if holds(wanted, got) else "not met"


def rows(file: Path = FILE) -> dict[str, dict]:
    """Every row by its id, with the area it stands in; an id occurs once."""
    found: dict[str, dict] = {}
    for area, entries in tomllib.loads(file.read_text(encoding="utf-8")).items():
        for row in entries:
            if row["id"] in found:
                raise ValueError(f"{file.name} has two rows called {row['id']!r}.")
            found[row["id"]] = {"area": area, **row}
    return found


def record(id: str, got: dict[str, float], file: Path = FILE) -> str:
    """Write what was measured for one row and return its new status."""
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    row = next((r for area in document.values() for r in area if r["id"] == id), None)
    if row is None:
        raise KeyError(f"{file.name} has no row called {id!r}.")
    missing = names(row["wanted"]) - set(got)
    if missing:
        raise ValueError(f"{id} wants {row['wanted']!r}; {sorted(missing)} not given.")
    verdict = _verdict(row["wanted"], got)
    text = ", ".join(f"{name} = {value:.5g}" for name, value in got.items())
    if status(row["wanted"], text) != verdict:  # rounding carried it over the line
        text = ", ".join(f"{name} = {float(value)!r}" for name, value in got.items())
    row["got"] = text
    row["commit"] = _commit()
    row["date"] = datetime.date.today().isoformat()
    row["status"] = verdict
    file.write_text(tomlkit.dumps(document), encoding="utf-8")
    return row["status"]


def record_tests(file: Path = FILE) -> dict[str, str]:
    """Run every test named by a row and record its outcome; a skipped row is left.

    The values are `passed` and `failed`, and whatever the tests gave to pytest's
    `record_property`: the largest where several tests give the same name. A value
    that is wanted and that no test gave is NaN, which meets nothing.
    """
    shown = {
        id: nodes
        for id, row in rows(file).items()
        if (nodes := row["shown_by"].split()) and nodes[0].startswith("tests/")
    }
    tests = sorted({node for nodes in shown.values() for node in nodes})
    if not tests:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.xml"
        # In a process of its own: the jaxtyping hook wants packages not yet imported.
        options = ["-q", "-o", "junit_family=xunit1", f"--junitxml={log}"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = list(ElementTree.parse(log).iter("testcase"))
    written = {}
    for id, nodes in shown.items():
        got = _outcome([case for case in cases if _belongs(case, nodes)])
        if got["passed"] or got["failed"]:
            wanted = names(rows(file)[id]["wanted"])
            written[id] = record(id, dict.fromkeys(wanted, math.nan) | got, file)
    return written


def record_stages(stages: dict[str, float], file: Path = FILE) -> dict[str, str]:
    """Record seconds per stage of .ci/run, for the rows shown by `.ci/run STAGE`."""
    written = {}
    for id, row in rows(file).items():
        command, _, stage = row["shown_by"].partition(" ")
        if command == ".ci/run" and stage in stages:
            written[id] = record(id, {"seconds": stages[stage]}, file)
    return written


def _belongs(case: ElementTree.Element, nodes: list[str]) -> bool:
    test = f"{case.get('classname')}.{case.get('name')}"
    dotted = (node.replace(".py", "").replace("/", ".") for node in nodes)
    starts = (node.replace("::", ".") for node in dotted)
    return any(test == s or test.startswith((f"{s}[", f"{s}.")) for s in starts)


def _outcome(cases: list[ElementTree.Element]) -> dict[str, float]:
    got: dict[str, float] = {"passed": 0, "failed": 0}
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            got["failed"] += 1
        elif case.find("skipped") is None:
            got["passed"] += 1
        for given in case.iter("property"):
            name, value = given.get("name", ""), float(given.get("value", "nan"))
            got[name] = max(got.get(name, -math.inf), value)
    return got


def _commit() -> str:
    """The commit measured, with a + where the tree held changes beyond docs."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )

    head = git("rev-parse", "--short", "HEAD").stdout.strip()
    own = [":!docs", ":!benchmarks/RESULTS.md"]  # what the measuring itself writes
    changed = git("diff", "--quiet", "HEAD", "--", ".", *own).returncode != 0
    return f"{head}+" if head and changed else head


def _parse(wanted: str) -> ast.expr:
    try:
        return ast.parse(wanted, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"Cannot read the comparison {wanted!r}.") from error


def _truth(node: ast.expr, got: dict[str, float]) -> bool:
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return all([_truth(part, got) for part in node.values])
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        sides = [_number(side, got) for side in (node.left, *node.comparators)]
        pairs = zip(node.ops, sides, sides[1:], strict=False)
        return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)
    raise ValueError(f"Not a comparison: {ast.unparse(node)!r}.")


def _number(node: ast.expr, got: dict[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if value is not True:
            return float(value)
        case ast.Name(id=name):
            if name not in got:
                raise ValueError(f"No value for {name!r}; got {sorted(got)}.")
            return got[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, got)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](_number(left, got), _number(right, got))
    raise ValueError(f"Neither a number nor a name: {ast.unparse(node)!r}.")
