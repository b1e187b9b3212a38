"""The door of every table of patients: named columns of stated units, holes told.

A row that misses what is needed is left out, counted and named with its reason; what is
wrong in a row (a wrong unit, a word for a number) is a ``ValueError`` naming file, line
and column, with what to type. Commas, semicolons with decimal commas and tabs are read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cordax.records.formats import delimited

_SHOWN = 6  # lines named after a reason


class Column(NamedTuple):
    """Unit, and the values that are not taken for a wrong unit."""

    unit: str
    least: float
    most: float
    may_be_missing: bool = False


class Row(NamedTuple):
    """One line of a file: the patient's id and the columns that were asked for."""

    line: int
    id: str
    values: dict[str, float | None]


@dataclass
class LeftOut:
    """What was left out of how much, and why: reason -> lines, or names of files."""

    of: int = 0
    what: str = "rows"
    why: dict[str, list[int | str]] = field(default_factory=dict)

    def add(self, why: str, where: int | str) -> None:
        """One more, for this reason."""
        self.why.setdefault(why, []).append(where)

    @property
    def count(self) -> int:
        """How many were left out."""
        return sum(map(len, self.why.values()))

    def words(self) -> list[str]:
        """One sentence for a reader; none where nothing was left out."""
        if not self.count:
            return []
        parts = []
        for why, where in self.why.items():
            shown = ", ".join(map(str, where[:_SHOWN]))
            more = f" and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
            lines = "" if isinstance(where[0], str) else "line " * (len(where) == 1)
            lines = lines or ("lines " if isinstance(where[0], int) else "")
            parts.append(f"{len(where)} for {why} ({lines}{shown}{more})")
        return [f"Left out: {self.count} of {self.of} {self.what}: {'; '.join(parts)}."]

    def plain(self) -> dict[str, Any]:
        """The same for a program."""
        left = [{"why": why, "where": where} for why, where in self.why.items()]
        return {self.what: self.of, "left_out": self.count, "reasons": left}


@dataclass(frozen=True)
class Rows:
    """The rows that hold what is needed, and what was left out."""

    rows: tuple[Row, ...]
    left_out: LeftOut


def read(path: Path, columns: Mapping[str, Column]) -> Rows:
    """The rows of a file that have an ``id`` and every column that is needed.

    Raises ``FileNotFoundError`` where there is no such file, ``ValueError`` where a
    column is missing, a cell is wrong, or no row is left.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    table = delimited.read(path)
    _require_columns(path, table.header, ["id", *columns])
    ids = table.cells(table.header.index("id"))
    cells = {
        name: delimited.with_points(
            path.name, name, table.cells(table.header.index(name))
        )
        for name in columns
    }
    left_out, rows = LeftOut(len(table.rows)), []
    for k, line in enumerate(map(int, table.lines)):
        one = {name: cells[name][k] for name in columns}
        values = {n: number(path, line, n, columns[n], c) for n, c in one.items()}
        missing = [
            n for n, v in values.items() if v is None and not columns[n].may_be_missing
        ]
        if delimited.is_missing(ids[k]):
            missing = ["id"]
        if missing:
            left_out.add(f"{missing[0]} is missing", line)
        else:
            rows.append(Row(line, ids[k], values))
    if not rows:
        raise ValueError(f"{path}: no row is left. " + _none_left(left_out))
    return Rows(tuple(rows), left_out)


def _none_left(left_out: LeftOut) -> str:
    return " ".join(left_out.words()) or "Below the names of the columns is no line."


def _require_columns(path: Path, header: list[str], wanted: list[str]) -> None:
    missing = [c for c in wanted if c not in header]
    if missing:
        raise ValueError(
            f"{path}, line 1: column {missing[0]} is missing"
            + (f", and {', '.join(missing[1:])}. " if missing[1:] else ". ")
            + f"It has {', '.join(header[:8])}: separate columns by commas, semicolons "
            "or tabs."
        )
    twice = [c for c in wanted if header.count(c) > 1]
    if twice:
        raise ValueError(f"{path}, line 1: column {twice[0]} stands there twice.")


def number(path: Path, line: int, name: str, column: Column, cell: str) -> float | None:
    """The value of a cell; None where it was not measured: blank, NA or a dash."""
    if delimited.is_missing(cell):
        return None
    where = f"{path}, line {line}, column {name}"
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(
            f"{where}: {cell!r} is not a number. Type a value in {column.unit}, or NA."
        ) from None
    if not math.isfinite(value):
        raise ValueError(f"{where}: {cell!r} is not a measurement. Type NA if missing.")
    if not column.least <= value <= column.most:
        raise ValueError(
            f"{where}: {value:g} lies outside {column.least:g} to {column.most:g} "
            f"{column.unit}. Is it in {column.unit}?"
        )
    return value
