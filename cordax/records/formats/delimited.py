"""A text table as it was exported: names, units, cells with their lines.

Read are commas, semicolons, tabs or aligned blanks between columns; decimal points or
commas; a row of units under the names (PhysioBank, rdsamp); LabChart's text export;
UTF-8, UTF-16 and Windows' code page. What can be read in two ways is refused, with
its cause. Nothing is guessed about single cells: a cell is a number, missing, or an
error with its line.
"""

import csv
import difflib
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_MISSING = {"", "nan", "na", "n/a", "#n/a", "null", "none"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BRACKET = re.compile(r"\s*[(\[]\s*([^()\[\]]*?)\s*[)\]]\s*$")
_COMMENT = ("#", "%", "//", "sep=")
#: What a row of units holds, in small letters.
_UNITS = {
    "s", "sec", "second", "seconds", "ms", "msec", "millisecond", "milliseconds", "us",
    "µs", "min", "mmhg", "mm hg", "kpa", "pa", "cmh2o", "cm h2o", "mbar", "bar", "ml",
    "l", "ul", "µl", "rvu", "cc", "mv", "v", "uv", "µv", "bpm", "1/min", "/min", "hz",
    "%", "l/min", "ml/s", "nu", "nd", "a.u.", "adu", "au", "°c", "degc", "ohm",
}  # fmt: skip
#: What to type instead of a file that is no text.
_OTHERS = {
    ".dat": "It is a WFDB record: export it with rdsamp -r {stem} -c -H -pe -v",
    ".hea": "It is a WFDB header: export the record with rdsamp -r {stem} -c -H -pe -v",
    ".adicht": "It is LabChart's own format: choose File > Export > Text there.",
    ".xlsx": "It is a spreadsheet: choose File > Save as > CSV UTF-8 there.",
    ".xls": "It is a spreadsheet: choose File > Save as > CSV UTF-8 there.",
    ".mat": "It is a MATLAB file: write it there with writetable(T, '{stem}.csv').",
}


class TableError(ValueError):
    """What is wrong with a table: a sentence, what to do, and its line."""

    def __init__(self, message: str, fix: str, line: int | None = None):
        super().__init__(f"{message}. {fix}")
        self.message, self.fix, self.line = message, fix, line


@dataclass(frozen=True)
class Table:
    """Cells as text, rows of one length; ``units`` is "" where the file has none.

    ``lines`` are the rows' numbers in the file. ``first_is_time``: the first column
    holds times though nothing names it so (LabChart).
    """

    name: str
    header: list[str]
    units: list[str]
    rows: list[list[str]] = field(repr=False)
    lines: np.ndarray = field(repr=False)
    first_is_time: bool = False

    def find(self, name: str) -> int:
        """The place of a column by its name, quotes, unit and capitals aside.

        **Raises** TableError where there is none, or more than one.
        """
        wanted = _bare(name)
        for known in (
            self.header,
            [plain(h) for h in self.header],
            [plain(h).lower() for h in self.header],
        ):
            for text in (wanted, plain(wanted), plain(wanted).lower()):
                places = [k for k, h in enumerate(known) if h and h == text]
                if len(places) > 1:
                    raise TableError(
                        f"{self.name} has {len(places)} columns called {text!r}",
                        "Give each column of the file a name of its own.",
                        1,
                    )
                if places:
                    return places[0]
        near = difflib.get_close_matches(wanted, self.header, 1, 0.6)
        raise TableError(
            f"{self.name} has no column {name!r}; it has "
            f"{', '.join(map(repr, self.header)) or 'no line at all'}",
            f"Type {near[0]!r}." if near else "Type one of these names.",
            1,
        )

    def cells(self, place: int) -> list[str]:
        """The text of one column."""
        return [row[place] for row in self.rows]

    def numbers(self, place: int) -> np.ndarray:
        """One column as numbers, NaN where the cell says that there is none.

        **Raises** TableError at a cell that is neither, or whose comma may mean two
        things.
        """
        return numbers(self.name, self.header[place], self.lines, self.cells(place))


def plain(name: str) -> str:
    """A column's name without a unit in brackets."""
    return _BRACKET.sub("", name)


def read(path: Path) -> Table:
    """The table of a file.

    **Raises** TableError naming what cannot be understood, and its line.
    """
    text = _text(path)
    lines = text.splitlines()
    start = next((k for k, line in enumerate(lines) if line.strip()), len(lines))
    if start < len(lines) and lines[start].startswith("Interval="):
        return _labchart(path.name, lines, start)
    while start < len(lines) and _skipped(lines[start]):
        start += 1
    if start == len(lines):
        raise TableError(f"{path.name} has no line of data", "Export the data again.")
    separator = _separator(lines[start : start + 20])
    cells = _split(path.name, lines[start:], separator)
    header = [_bare(cell) for cell in cells[0]]
    if all(_NUMBER.fullmatch(h.replace(",", ".")) for h in header if h):
        raise TableError(
            f"{path.name}, line {start + 1}: the first line holds numbers "
            f"({', '.join(header[:3])}), not the names of the columns",
            "Put a line with the names above it, such as time_s,abp_mmhg.",
            start + 1,
        )
    rows = [(start + k, row) for k, row in enumerate(cells, start=1)][1:]
    rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    units = [_unit_in(h) for h in header]
    if rows and _is_units(rows[0][1]):
        below = [_bare(cell).strip("()[]") for cell in rows.pop(0)[1]]
        units = [b or u for b, u in zip(below, units, strict=False)]
    return _table(path.name, header, units, rows, separator)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(
            f"{path} cannot be read: {error.strerror}",
            f"Put the file beside the record, or correct file = {path.name!r}.",
        ) from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and len(data) % 2 == 0:
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:4096]:
        fix = _OTHERS.get(path.suffix.lower(), "Save it as CSV, UTF-8.")
        raise TableError(
            f"{path.name} is not a CSV text file", fix.format(stem=path.stem)
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _skipped(line: str) -> bool:
    return not line.strip() or line.strip().lower().startswith(_COMMENT)


def _separator(lines: list[str]) -> str:
    """What stands between the columns: a comma is the last to be thought of."""
    head = lines[0]
    for candidate in "\t;":
        if candidate in head:
            return candidate
    if "," in head:
        return ","
    widths = {len(line.split()) for line in lines[1:] if line.strip()}
    return " " if widths == {len(_aligned(head))} != {1} else ","


def _aligned(head: str) -> list[str]:
    """Names above aligned columns: two blanks stand between them, or else one."""
    return re.split(r"\s{2,}", head.strip()) if "  " in head.strip() else head.split()


def _split(name: str, lines: list[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [_aligned(lines[0]), *(line.split() for line in lines[1:])]
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error as error:
        raise TableError(
            f"{name} is not a CSV text file ({error})", "Save it as CSV, UTF-8."
        ) from None
    if len(rows) < len(lines):
        raise TableError(
            f'{name}: a quotation mark (") opens a cell that ends lines below',
            "Remove it, or close it in its own line.",
        )
    return rows


def _bare(cell: str) -> str:
    """A cell without blanks and quotes around it."""
    return cell.strip().strip("'\"").strip()


def _unit_in(name: str) -> str:
    found = _BRACKET.search(name)
    return found.group(1) if found else ""


def _is_units(row: list[str]) -> bool:
    cells = [_bare(cell).strip("()[]").lower() for cell in row]
    if any(_NUMBER.fullmatch(cell.replace(",", ".")) for cell in cells):
        return False
    known = [cell in _UNITS or cell.startswith("hh:mm") for cell in cells]
    return any(known)


def _table(name, header, units, rows, separator, first_is_time=False) -> Table:
    width = len(header)
    for line, row in rows:
        if len(row) == 1 < width and row[0].strip():
            row += [""] * (width - 1)  # a time without values
        if separator in "\t;" and not any(cell.strip() for cell in row[width:]):
            del row[width:]  # a separator at the end, which no decimal comma can be
        if len(row) != width:
            # of a row that is too short none knows which cell is absent
            raise TableError(*_uneven(name, header, line, row, separator), line)
    return Table(
        name=name,
        header=header,
        units=[*units, *[""] * (width - len(units))],
        rows=[[cell.strip(" \t'\"\xa0") for cell in row] for _, row in rows],
        lines=np.array([line for line, _ in rows], dtype=int),
        first_is_time=first_is_time,
    )


def _uneven(name, header, line, row, separator) -> tuple[str, str]:
    shown = separator.join(cell.strip() for cell in row[:8])
    message = (
        f"{name}, line {line}: {len(row)} cells under {len(header)} names ({shown})"
    )
    digits = all(cell.strip().lstrip("+-").isdigit() for cell in row[1:])
    if separator == "," and digits:
        return (
            f"{message}: decimal commas in a file whose columns are separated by "
            "commas too",
            "Export it with semicolons or tabs between the columns, or with decimal "
            "points.",
        )
    return message, "Give every cell its column: an absent value is an empty cell."


def with_points(name: str, column: str, cells: list[str]) -> list[str]:
    """The cells of one column with decimal points.

    **Raises** TableError where a comma may mean two things.
    """
    commas = [cell for cell in cells if "," in cell]
    points = [c for c in cells if commas and "." in c and _NUMBER.fullmatch(c)]
    if points:
        raise TableError(
            f"{name}: {column} has decimal commas ({commas[0]}) and decimal points "
            f"({points[0]})",
            "Export it again without separators of thousands.",
        )
    return [cell.replace(",", ".", 1) for cell in cells] if commas else cells


def numbers(name: str, column: str, lines: np.ndarray, cells: list[str]) -> np.ndarray:
    """Cells as numbers, NaN where a cell says that there is none."""
    cells, is_number = with_points(name, column, cells), _NUMBER.fullmatch
    values = np.array([float(c) if is_number(c) else math.nan for c in cells])
    for k in np.flatnonzero(np.isnan(values)):
        value = _number(cells[k])
        if value is None:
            raise TableError(
                f"{name}, line {lines[k]}: {column} = {cells[k]!r} is not a number",
                "Correct the cell; a missing value is an empty cell, NA or -.",
                int(lines[k]),
            )
        values[k] = value
    return values


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing was measured: empty, NA, NaN, or dashes."""
    return cell.strip().lower() in _MISSING or not cell.strip("-– ")


def _number(cell: str) -> float | None:
    if is_missing(cell):
        return math.nan
    cell = cell.replace("−", "-")
    return float(cell) if _NUMBER.fullmatch(cell) else None


_BLOCK = "ChannelTitle="


def _labchart(name: str, lines: list[str], start: int) -> Table:
    """LabChart's text export: a head of Key= lines, then times and channels by tabs."""
    head: dict[str, list[str]] = {}
    place = start
    while place < len(lines) and "=" in lines[place].split("\t")[0]:
        key, *cells = lines[place].rstrip("\t").split("\t")
        head.setdefault(key.strip(), [cell.strip() for cell in cells])
        place += 1
    titles = head.get(_BLOCK, [])
    if not titles:
        raise TableError(
            f"{name} is a LabChart text export without a line {_BLOCK}",
            "Export it again with the box 'Block header' ticked.",
            start + 1,
        )
    rows = []
    for line, text in enumerate(lines[place:], start=place + 1):
        if text.startswith("Interval="):
            raise TableError(
                f"{name}, line {line}: a second block begins; its times start again",
                "Export one block: select it in LabChart, then File > Export > Text.",
                line,
            )
        cells = text.rstrip("\n").split("\t")
        # a comment stands in a cell of its own at the end of its row
        cells = [c for c in cells[: len(titles) + 1]] + [
            c for c in cells[len(titles) + 1 :] if c.strip() and not c.startswith("#")
        ]
        if any(cell.strip() for cell in cells):
            rows.append((line, cells))
    return _table(
        name, ["Time", *titles], ["s", *_labchart_units(head)], rows, "\t", True
    )


def _labchart_units(head: dict[str, list[str]]) -> list[str]:
    if "UnitName=" in head:
        return head["UnitName="]
    found = (re.search(r"[\d.,]+\s*(\S.*)$", cell) for cell in head.get("Range=", []))
    return [match.group(1) if match else "" for match in found]
