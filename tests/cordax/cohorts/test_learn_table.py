"""`cordax learn residual` on a table with the fluid study's columns: refusals.

A whole run compiles for minutes: `make validate` has one, on real patients.
"""

import numpy as np
import pytest

from cordax.cli.app import run as main
from cordax.cohorts import residual
from cordax.cohorts.fluid_table import PREDICTED, RANGES
from cordax.records.template import template

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


def test_rows_of_a_cohort_with_holes_are_left_out_and_said(tmp_path, capsys):
    table = challenges(tmp_path / "fluid.csv", 5)
    lines = table.read_text().splitlines()
    for k in (2, 4):
        cells = lines[k].split(",")
        lines[k] = ",".join([cells[0], "", *cells[2:]])
    table.write_text("\n".join(lines) + "\n")
    assert main(["learn", "residual", str(table), "-o", str(tmp_path / "r")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "holds 3 patients: 4 or more are wanted" in said
    assert "2 for SV_pre_fluid_avg is missing (lines 3, 5)" in said


def test_records_that_cannot_be_used_are_left_out_and_said(tmp_path):
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        text = template(f"{name}.toml")
        if name in "bd":
            text = text.replace(
                "systolic_pressure_mmhg = 120", "systolic_pressure = 120"
            )
        (tmp_path / f"{name}.toml").write_text(text)
    records, left_out = residual._records(sorted(tmp_path.glob("*.toml")))
    assert [r.id for r in records] == ["a", "c", "e"]
    assert (left_out.count, left_out.of) == (2, 5)
    (said,) = left_out.words()
    assert said.startswith(
        "Left out: 2 of 5 records: 2 for systolic_pressure is no key"
    )
    assert said.endswith("(b.toml, d.toml).")
    with pytest.raises(ValueError, match="3 patients: 4 or more .* 2 of 5 records"):
        residual.read(tmp_path, seed=1, progress=lambda phase, share: None)
