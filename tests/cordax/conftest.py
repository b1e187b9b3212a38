"""What tests of the application share: an empty folder, and a small real twin."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

SEED = 7
#: Enough for every number of a report, few enough for `make test`.
DRAWS, STARTS, ESS = 63, 2, 200.0
ASKED = "fluid_bolus=500mL"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Fitted(NamedTuple):
    """What `cordax fit` made, and what it said."""

    folder: Path
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def fitted(tmp_path_factory) -> Fitted:
    """`cordax fit periop --seed 7`, typed once: the whole way, with few draws."""
    from cordax.cli import run
    from cordax.twins import calibrate

    folder = tmp_path_factory.mktemp("fitted") / "periop"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("DRAWS", DRAWS), ("STARTS", STARTS), ("ESS", ESS)):
            patch.setattr(calibrate, name, value)
        with redirect_stdout(out), redirect_stderr(err):
            command = ["fit", "periop", "-o", str(folder), "--seed", str(SEED)]
            code = run(command)
    return Fitted(folder, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def small_twin(fitted):
    """The twin that the command made, read back from its folder."""
    from cordax.twins.twin import Twin

    return Twin.load(fitted.folder)


@pytest.fixture(scope="session")
def asked_twin(small_twin):
    """The same, asked what 500 mL would do."""
    return small_twin.remember(small_twin.whatif([ASKED]))


@pytest.fixture(scope="session")
def shown(asked_twin):
    """Everything that its report shows."""
    from cordax.reports.from_twin import report_data

    return report_data(asked_twin)
