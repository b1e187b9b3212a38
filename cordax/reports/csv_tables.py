"""A twin as CSV tables: indices, parameters, waveforms, posterior draws."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cordax.reports.data import ReportData
from physio.files import replacing_folder

KIND = "set of tables"  # of folder


def write_csv(
    folder: Path, data: ReportData, draws: dict[str, Any], force: bool = False
) -> dict[str, int]:
    """Makes the folder with one CSV file a table; returns name -> number of rows."""
    tables = {
        "indices.csv": _indices(data),
        "parameters.csv": _parameters(data),
        "waveforms.csv": _waveforms(data),
        "draws.csv": _draws(draws),
    }
    counts = {}
    with replacing_folder(folder, KIND, force=force) as temporary:
        for name, rows in tables.items():
            counts[name] = len(rows) - 1
            (temporary / name).write_text(_text(rows), encoding="utf-8", newline="")
    return counts


def _text(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _indices(data: ReportData) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [("name", "unit", "median", "q05", "q95", "measured")]
    return rows + [(r.name, r.unit, *r.value, int(r.measured)) for r in data.indices]


def _parameters(data: ReportData) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [
        ("name", "unit", "prior_median", "prior_q05", "prior_q95")
        + ("median", "q05", "q95", "posterior_over_prior_sd")
    ]
    return rows + [
        (r.name, r.unit, *r.prior, *r.posterior, r.sd_ratio) for r in data.parameters
    ]


def _waveforms(data: ReportData) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [("signal", "unit", "time_s", "median", "q05", "q95")]
    for panel in data.waveforms:
        for t, middle, low, high in zip(
            panel.time_s, panel.median, panel.lower, panel.upper, strict=True
        ):
            rows.append((panel.title, panel.unit, t, middle, low, high))
    return rows


def _draws(draws: dict[str, Any]) -> list[Sequence[Any]]:
    """One row a draw; an array with more axes gets a column per element."""
    columns: dict[str, np.ndarray] = {}
    for name, values in draws.items():
        flat = np.asarray(values).reshape(len(values), -1)
        for index in range(flat.shape[1]):
            label = name if flat.shape[1] == 1 else f"{name}[{index}]"
            columns[label] = flat[:, index]
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"The draws have different lengths: {sorted(lengths)}.")
    rows: list[Sequence[Any]] = [tuple(columns)]
    return rows + list(zip(*columns.values(), strict=True))
