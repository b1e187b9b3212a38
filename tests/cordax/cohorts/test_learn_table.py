"""`cordax learn residual` on a table with the fluid study's columns: refusals.

A whole run compiles for minutes: `make validate` has one, on real patients.
"""

import numpy as np
import pytest

from cordax.cli.app import run as main
from cordax.cohorts.fluid_table import PREDICTED, RANGES

#: SV, SVI, CI, MAP, PP, CVP, SVV before fluid, and what it adds to MAP, SV and CVP
PATIENT = np.array([75.0, 40.0, 2.6, 75.0, 55.0, 7.0, 9.0])
CHANGE = {"MAP": 5.0, "SV": 6.0, "CVP": 2.0}


def challenges(path, n, *, without=None):
    """n patients, each a little off the one above; a column may be left out."""
    before = [f"{name}_pre_fluid_avg" for name in RANGES]
    after = [f"{name}_post_fluid_avg" for name in PREDICTED.values()]
    columns = ["id", *before, *after]
    rows = []
    for k in range(n):
        values = PATIENT * (1.0 + 0.02 * (k - n / 2))
        seen = dict(zip(RANGES, values, strict=True))
        changed = [seen[name] + CHANGE[name] for name in PREDICTED.values()]
        rows.append([f"p{k}", *values, *changed])
    keep = [j for j, name in enumerate(columns) if name != without]
    lines = [[columns[j] for j in keep], *([row[j] for j in keep] for row in rows)]
    path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("n", "without", "said"),
    [
        (3, None, "holds 3 patients: 4 or more are wanted"),
        (6, "MAP_pre_fluid_avg", "MAP_pre_fluid_avg"),
    ],
)
def test_a_table_nothing_can_be_learned_from(tmp_path, capsys, n, without, said):
    table = challenges(tmp_path / "fluid.csv", n, without=without)
    target = tmp_path / "fluid.residual"
    assert main(["learn", "residual", str(table), "-o", str(target)]) == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not target.exists()
