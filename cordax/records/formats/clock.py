"""The times of a table in seconds, from whatever a device wrote them as.

Numbers in s, ms or us by the column's name, its row of units or ``time_unit``; epochs
(s, ms, us or ns since 1970) by their size; dates with a time of day, elapsed times
(m:ss.fff, h:mm:ss.fff). Epochs and times of day begin at 0 with the first line.
"""

import re
from dataclasses import dataclass
from datetime import date

import numpy as np

from cordax.records.formats.delimited import Table, TableError, is_missing, plain

#: Seconds in each unit that a time may be in.
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "days": 86400.0}
_WORDS = {
    "s": "s", "sec": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms",
    "millisecond": "ms", "milliseconds": "ms", "us": "us", "µs": "us", "ns": "ns",
    "min": "min", "minutes": "min",
}  # fmt: skip
#: Names that are taken for times where the record names no time_column.
_NAMES = {
    "time", "t", "elapsed time", "timestamp", "time stamp", "datetime", "date time",
    "date/time", "clock", "seconds", "milliseconds", "zeit", "temps", "tiempo",
}  # fmt: skip
#: Seconds since 1970 by size: the years 1998 to 2128.
_EPOCHS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EARLIEST, _LATEST = 9e8, 5e9
_DAY = 86400.0
_CLOCK = re.compile(
    r"(?P<date>[^T\s]*[-/.][^T\s]*)?[T\s]*"
    r"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,4}):(?P<s>\d{2})(?:[.,](?P<f>\d+))?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?(?:\s+(?P<late>\S+))?"
)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_SLOWEST, _FASTEST = 0.1, 1e-4  # s between samples that can show a beat


@dataclass(frozen=True)
class Times:
    """Seconds, and the step in which they were printed (0: as exact as a float)."""

    t: np.ndarray
    step: float
    column: str


def times(
    table: Table, column: str | None, unit: str | None, hz: float | None
) -> Times:
    """The times of a table; ``column``, ``unit`` and ``hz`` as the record has them.

    **Raises** TableError where there are none, or where they can be read in two ways.
    """
    place = _place(table, column, hz)
    if place is None:
        return Times(np.arange(len(table.rows)) / float(hz or 1.0), 0.0, "sampling_hz")
    name, cells = table.header[place], table.cells(place)
    first = next((cell for cell in cells if not is_missing(cell)), "")
    if ":" in first:
        t, step = _clocks(table.name, name, table.lines, cells)
        return Times(t, step, name)
    values = table.numbers(place)
    known = _stated(name, table.units[place], unit)
    factor, start = _scale(table.name, name, values, known, hz)
    # the digits behind the point, of the cell that has most
    ends = (cell.replace(",", ".").partition(".")[2] for cell in cells)
    decimals = max((len(end) for end in ends if end.isdigit()), default=0)
    step = factor * 10.0**-decimals
    return Times((values - start) * factor, step, name)


def _place(table: Table, column: str | None, hz: float | None) -> int | None:
    """The column of times; None where the rate alone tells them."""
    if table.first_is_time:
        return 0  # nothing in the file names it, so no name can be wrong
    if column is not None:
        return table.find(column)
    known = [k for k, h in enumerate(table.header) if _is_time(h)]
    exact = [k for k in known if table.header[k] == "time_s"]
    if len(exact or known) == 1:
        return (exact or known)[0]
    if known:
        names = ", ".join(repr(table.header[k]) for k in known)
        raise TableError(
            f"{table.name} has several columns of times: {names}",
            f'Type time_column = "{table.header[known[0]]}", or another of them.',
            1,
        )
    if hz is None:
        raise TableError(
            f"{table.name} has no column of times; it has "
            f"{', '.join(map(repr, table.header))}",
            'Type time_column = "...", one of these names; or, where the file has no '
            "times, its rate: sampling_hz = 125.",
            1,
        )
    return None


def _is_time(header: str) -> bool:
    name = plain(header).lower()
    stem = re.sub(r"[_ ]?(s|ms|us|sec|min)$", "", name)
    return name in _NAMES or stem in _NAMES - {"t"} or name in ("t_s", "t_ms", "t_us")


def _stated(name: str, below: str, typed: str | None) -> str | None:
    """The unit of a column of times: typed, in its row of units, or in its name."""
    ending = re.search(r"[_ ](ms|us|ns|sec|s|min)$", plain(name).lower())
    words = plain(name).lower()
    named = ending.group(1) if ending else words
    found = [_WORDS.get(word) for word in (below.lower(), named)]
    return typed or next((word for word in found if word), None)


def _fits(step: float, unit: str) -> bool:
    """Whether samples this far apart show beats."""
    return _FASTEST <= step * SECONDS[unit] <= _SLOWEST


def _scale(
    name: str, column: str, values: np.ndarray, stated: str | None, hz: float | None
) -> tuple[float, float]:
    """Seconds in a step of the column, and the value that is taken for 0."""
    known = values[np.isfinite(values)]
    if known.size < 2:
        return SECONDS[stated or "s"], 0.0
    size, step = abs(float(known[0])), float(np.median(np.abs(np.diff(known))))
    epoch = next(
        (u for u, n in _EPOCHS.items() if _EARLIEST <= size / n < _LATEST), None
    )
    if epoch is not None and (stated in (None, epoch) or not _fits(step, stated)):
        if stated not in (None, epoch):
            raise TableError(
                f"{name}: {column} begins at {known[0]:.16g}: {epoch} since 1970 by "
                f"its size, but it is said to be in {stated}",
                f'Type time_unit = "{epoch}".',
            )
        return SECONDS[epoch], float(known[0])
    if stated is not None:
        return SECONDS[stated], 0.0
    if step == 1.0 and hz is not None:
        return 1.0 / hz, 0.0
    if step == 1.0:
        raise TableError(
            f"{name}: {column} counts 1, 2, 3: these may be milliseconds or samples",
            'Type time_unit = "ms", or the rate of the samples: sampling_hz = 125.',
        )
    fit = [u for u in ("s", "ms", "us") if _fits(step, u)]
    if not fit and _fits(step, "days"):
        raise TableError(
            f"{name}: {column} goes in steps of {step:.4g}, as day numbers of a "
            "spreadsheet do",
            'Type time_unit = "days".',
        )
    if len(fit) != 1:
        raise TableError(
            f"{name}: {column} goes in steps of {step:.4g}, of no stated unit",
            'Type time_unit = "s", "ms", "us" or "days".',
        )
    return SECONDS[fit[0]], 0.0


def _clocks(
    name: str, column: str, lines: np.ndarray, cells: list[str]
) -> tuple[np.ndarray, float]:
    """Times written with colons, in s, and their printed step."""
    t, digits = np.full(len(cells), np.nan), 0
    days: dict[str, float] = {}  # from the first one on, so that a float holds it
    for k, (line, cell) in enumerate(zip(map(int, lines), cells, strict=True)):
        if is_missing(cell):
            continue
        found = _CLOCK.fullmatch(cell.strip("[] "))
        if found is None:
            raise TableError(
                f"{name}, line {line}: {column} = {cell!r} is not a time",
                "Type times as seconds, 10:00:00.008 or 2020-01-01T10:00:00.008.",
                line,
            )
        day = found["date"] or found["late"] or ""
        if day not in days:
            days[day] = _ordinal(name, day, line)
        whole = _DAY * (days[day] - next(iter(days.values())))
        t[k] = _seconds(found) + whole + _zone(found["zone"])
        digits = max(digits, len(found["f"] or ""))
    if sum(not _ISO.fullmatch(day) for day in days) > 2:
        raise TableError(
            f"{name}: {column} runs over more than two days",
            "Export a shorter stretch.",
        )
    known = np.isfinite(t)
    t[known] = _over_midnight(t[known])
    if any(days) or (known.any() and t[known][0] >= 3600.0):
        t -= t[known][0]  # a time of day: the recording begins at 0
    return t, 10.0**-digits


def _seconds(found: re.Match[str]) -> float:
    hours = int(found["h"] or 0)
    if found["half"]:
        hours = hours % 12 + (12 if found["half"].lower() == "pm" else 0)
    rest = float(f"{found['s']}.{found['f'] or 0}")
    return 3600.0 * hours + 60.0 * int(found["m"]) + rest


def _zone(text: str | None) -> float:
    """Seconds to add for UTC, so that a change of the clock makes no gap."""
    if not text or text == "Z":
        return 0.0
    hours, minutes = int(text[1:3]), int(text[-2:])
    return (-1.0 if text[0] == "+" else 1.0) * (3600.0 * hours + 60.0 * minutes)


def _ordinal(name: str, day: str, line: int) -> float:
    """Days of a date whose order is sure; others count from midnight to midnight."""
    found = _ISO.fullmatch(day)
    if not found:
        return 0.0
    try:
        return float(date(*map(int, found.groups())).toordinal())
    except ValueError:
        raise TableError(
            f"{name}, line {line}: {day} is no date", "Correct it.", line
        ) from None


def _over_midnight(t: np.ndarray) -> np.ndarray:
    """Times of day that go on after midnight: a fall of nearly a day is a new day."""
    falls = np.diff(t, prepend=t[:1]) < -0.9 * _DAY
    return t + _DAY * np.cumsum(falls)
