"""The door of every bench: a CSV file with named columns of stated units.

Whatever is wrong is a ``ValueError`` naming file, line and column, with what to type.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Column(NamedTuple):
    """Unit, and the values that are not taken for a wrong unit."""

    unit: str
    least: float
    most: float
    may_be_missing: bool = False


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Every line of a file with its number, once its header has the ``columns``.

    Each has the patient's ``id``, which is among them. Raises ``FileNotFoundError``
    where there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8.") from None
    reader = csv.DictReader(lines)
    missing = [c for c in columns if c not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(
            f"{path}, line 1: column {missing[0]} is missing"
            + (f", and {', '.join(missing[1:])}. " if missing[1:] else ". ")
            + "Separate columns by commas."
        )
    for row in reader:
        line = reader.line_num
        if None in row or None in row.values():
            raise ValueError(
                f"{path}, line {line}: its number of columns differs from the header's."
            )
        row["id"] = row["id"].strip()
        if not row["id"]:
            raise ValueError(f"{path}, line {line}, column id: the patient has no id.")
        yield line, row


def number(path: Path, line: int, name: str, column: Column, cell: str) -> float | None:
    """The value of a cell; None where it was not measured: blank or NA."""
    cell = cell.strip()
    where = f"{path}, line {line}, column {name}"
    if cell.upper() in ("", "NA"):
        if column.may_be_missing:
            return None
        raise ValueError(
            f"{where}: a value in {column.unit} is wanted; there is none. "
            "Remove the line or fill it in."
        )
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(
            f"{where}: {cell!r} is not a number. Type a value in {column.unit}"
            + (", or NA." if column.may_be_missing else ".")
        ) from None
    if not math.isfinite(value):
        raise ValueError(f"{where}: {cell!r} is not a measurement. Type NA if missing.")
    if not column.least <= value <= column.most:
        raise ValueError(
            f"{where}: {value:g} lies outside {column.least:g} to {column.most:g} "
            f"{column.unit}. Is it in {column.unit}?"
        )
    return value
