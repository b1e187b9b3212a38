"""What every test shares: 64-bit floats, the compilation cache and the real data."""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from cordax import runtime

CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHES = CACHES / "cordax" / "tests"
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:
    # jax writes an entry in place: another process may read half of it
    os.environ["XDG_CACHE_HOME"] = str(CACHES / WORKER)
gc.set_threshold(200_000, 50, 100)  # tracing makes much that lives: a 20th of the time
os.environ["COLUMNS"] = "100"  # of tables in a terminal, wherever tests run
runtime.setup()
jax.config.update("jax_numpy_rank_promotion", "raise")
# else an entry's name depends on where the cache is
jax.config.update("jax_persistent_cache_enable_xla_caches", "none")

ROOT = Path(__file__).resolve().parents[1]
NO_DATA = (
    "real data absent: set CORDAX_DATA to the folder that holds them, "
    "or put it at ../shared/data beside the repository"
)


def data_folder() -> Path:
    """Where real data are looked for; the folder need not exist."""
    return Path(os.environ.get("CORDAX_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Path of a folder or file of the real data by name; skips where it is absent."""

    def find(name: str) -> Path:
        path = data_folder() / name
        if not path.exists():
            pytest.skip(NO_DATA)
        return path

    return find


@pytest.fixture
def shared_cases() -> Callable[[str], Path]:
    """Path of a case (an input with its right value) by name; skips where absent."""
    folder = Path(os.environ.get("CORDAX_CASES") or ROOT.parent / "shared" / "cases")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(
                f"cases absent: set CORDAX_CASES to the folder that holds {name}"
            )
        return path

    return find


#: Files that run in one process, because they need the same compiled programs.
TOGETHER = {
    f"tests/calibration/{name}.py": "the synthetic patient"
    for name in (
        "optimise/test_fit",
        "sampling/test_posterior",
        "sampling/test_delayed_acceptance",
        "observations/test_observed_discrepancy",
    )
} | {
    "tests/calibration/optimise/test_jacobian.py": "the fluid bench",
    "tests/cordax/bench/test_bench_fluid_response.py": "the fluid bench",
    "tests/cordax/twins/test_twin.py": "the small twin",
    "tests/cordax/cli/test_cli.py": "the small twin",
    "tests/cordax/reports/test_report.py": "the small twin",
}
#: What takes longest begins first, so that no process waits for another's last file.
LONGEST = (
    "tests/cordax/cohorts/test_learn.py",
    *TOGETHER,
    "tests/physio/electrophysiology/velocity/test_velocity.py",
    "tests/cordax/cli/test_cli_ep.py",
    "tests/physio/hemodynamics/test_against_others.py",
    "tests/physio/test_simulate.py",
    "tests/learned/terms/test_residual.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Before the processes start, each is given what the others compiled earlier."""
    if WORKER or not config.getoption("numprocesses", None):
        return
    folders = [f for f in CACHES.glob("gw*/cordax/jax") if f.is_dir()]
    for folder in folders:
        for entry in folder.glob("*-cache"):
            for other in folders:
                if not (other / entry.name).exists():
                    os.link(entry, other / entry.name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return TOGETHER.get(file, file)

    config.option.loadscopereorder = False  # as collected, see LONGEST
    return Together(config, log)


@pytest.fixture
def record_property(record_property) -> Callable[[str, Any], None]:
    """Figures as Python's numbers: what a worker reports must be plain."""
    return lambda name, value: record_property(name, float(value))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.split("::")[0], len(order)))
    for item in items:
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = skipped = 0
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            if "data" in getattr(report, "keywords", ()):
                skipped += outcome == "skipped"
                ran += outcome != "skipped" and getattr(report, "when", "") == "call"
    terminalreporter.write_line(f"real data: {ran} ran, {skipped} skipped")
