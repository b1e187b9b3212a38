"""Deliberate mistakes, each of which a named test must see.

    python tests/mutants.py               # five, chosen by the tree's hash
    python tests/mutants.py --chosen 3
    python tests/mutants.py --all         # every one of tests/mutants.toml
    python tests/mutants.py --name QT     # those whose name holds the words

A mistake is made in a copy of the tree, never in the tree. It is *killed* where its
test fails by an assertion; one that breaks the import, or whose test passes, is not.
"""

import argparse
import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("physio", "learned", "calibration", "cordax")
COPIED = (*PACKAGES, "tests", "benchmarks", "pyproject.toml")
CHOSEN = 5
LIMIT_S = 180  # of one test; the slowest takes 20


@dataclass(frozen=True)
class Mutant:
    """One mistake: ``find`` becomes ``replace`` in ``file``; ``test`` must fail."""

    name: str
    file: str
    find: str
    replace: str
    test: str

    def applied(self, root: Path = ROOT) -> str:
        """The file with the mistake. Raises ``ValueError`` where it does not apply."""
        text = (root / self.file).read_text(encoding="utf-8")
        count = text.count(self.find)
        if count != 1:
            raise ValueError(
                f"{self.name}: its text stands {count} times in {self.file}, once is "
                f"wanted: {self.find!r}. Mend tests/mutants.toml."
            )
        return text.replace(self.find, self.replace)


@dataclass(frozen=True)
class Outcome:
    """What became of a mistake, and the test's last lines."""

    mutant: Mutant
    killed: bool
    seconds: float
    told: str


def mutants() -> tuple[Mutant, ...]:
    """Every mistake of tests/mutants.toml."""
    text = (ROOT / "tests" / "mutants.toml").read_text(encoding="utf-8")
    return tuple(Mutant(**entry) for entry in tomllib.loads(text)["mutant"])


def tree_hash() -> str:
    """Of every Python file of the packages and the tests."""
    found = hashlib.sha256()
    for folder in (*PACKAGES, "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(path.relative_to(ROOT).as_posix().encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def chosen(count: int) -> tuple[Mutant, ...]:
    """Some, others for another tree: each change of the code tries others."""
    tree = tree_hash()

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(f"{tree} {mutant.name}".encode()).hexdigest()

    return tuple(sorted(mutants(), key=place)[:count])


def names_a_test(node: str) -> bool:
    """Whether ``file::function[case]`` is a function of a file that is there."""
    file, _, name = node.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}
    return name.partition("[")[0] in functions


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """A folder in which mistakes may be made."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=unwanted)
            else:
                shutil.copy(source, folder / part)
        yield folder


def run(folder: Path, tests: list[str]) -> tuple[int, str]:
    """Exit code and output of pytest in the copy."""
    away = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    away |= {"CI": "1"}  # pytest then cuts no line of its summary
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "-rfE", "--tb=short", "--durations=0", *tests),
        ],
        cwd=folder, env=away | {"PYTHONPATH": str(folder)}, text=True,
        capture_output=True, timeout=LIMIT_S * max(1, len(tests)),
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def judge(code: int, told: str) -> bool:
    """Whether the test ran and failed by an assertion, not by an error on the way."""
    lines = [line for line in told.splitlines() if line.startswith(("FAILED", "ERROR"))]
    failed = [line for line in lines if line.startswith("FAILED")]
    asserted = any("assert" in line.lower() for line in failed)
    return code == 1 and asserted and len(failed) == len(lines)


def attempt(mutant: Mutant, folder: Path) -> Outcome:
    """Make the mistake in the copy, run its test, undo it."""
    path, begun = folder / mutant.file, time.perf_counter()
    whole = path.read_text(encoding="utf-8")
    path.write_text(mutant.applied(folder), encoding="utf-8")
    try:
        code, told = run(folder, [mutant.test])
    finally:
        path.write_text(whole, encoding="utf-8")
    return Outcome(mutant, judge(code, told), time.perf_counter() - begun, told[-2000:])


def attempts(some: tuple[Mutant, ...]) -> Iterator[Outcome]:
    """What becomes of each. Raises ``ValueError`` where a test fails without any."""
    for mutant in some:
        mutant.applied()
    with copy_of_the_tree() as folder:
        tests = list(dict.fromkeys(mutant.test for mutant in some))
        code, told = run(folder, tests)
        if code != 0:
            raise ValueError(f"Without a mistake the tests fail:\n{told[-3000:]}")
        for mutant in some:
            yield attempt(mutant, folder)


def main(arguments: list[str] | None = None) -> int:
    """Print a table; 1 where a mistake survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every mistake")
    parser.add_argument("--chosen", type=int, default=CHOSEN, help="how many")
    parser.add_argument("--name", help="those whose name holds these words")
    told = parser.parse_args(arguments)
    some = mutants() if told.all else chosen(told.chosen)
    if told.name:
        some = tuple(m for m in mutants() if told.name.lower() in m.name.lower())
    survived = 0
    for found in attempts(some):
        survived += not found.killed
        word = "killed  " if found.killed else "SURVIVED"
        test = found.mutant.test.rpartition("/")[2]
        print(f"{word} {found.seconds:5.1f} s  {found.mutant.name}  <- {test}")
        if not found.killed:
            print(found.told)
        sys.stdout.flush()
    print(f"{len(some) - survived} of {len(some)} killed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
