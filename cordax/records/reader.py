"""The reader of one TOML record: every key is asked for, lines are known."""

import re
from pathlib import Path

from cordax.records.record import Level, RecordProblem


class Reader:
    """Collects problems of one file, knowing where each key stands."""

    def __init__(self, path: Path, text: str):
        self.path = path
        self.found: list[RecordProblem] = []
        self.lines = _lines(text)
        #: kinds and "line n" of waveforms whose role the user typed
        self.typed_roles: set[str] = set()

    def line(self, table: str, key: str = "") -> int | None:
        """The line of a key, or of its table's header."""
        return self.lines.get((table, key)) or self.lines.get((table, ""))

    def say(self, table, key, message, fix, level: Level = "error", line=None) -> None:
        """Adds a problem with the line of `key` in `table`."""
        where = line or self.line(table, key)
        self.found.append(
            RecordProblem(str(self.path), where, key, message, fix, level)
        )


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Where each (table, key) stands; the i-th [[waveform]] is "waveform/i"."""
    found: dict[tuple[str, str], int] = {}
    table, count, quoted = "", {}, ""
    for number, row in enumerate(text.splitlines(), start=1):
        marks = re.findall(r"\"\"\"|'''", row)
        if quoted:
            quoted = "" if marks.count(quoted) % 2 else quoted
            continue
        header = re.match(r"\s*(\[\[?)\s*([\w.-]+)\s*\]", row)
        key = re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", row)
        if header:
            table = header.group(2)
            found.setdefault((table, ""), number)
            if header.group(1) == "[[":
                index = count.get(table, 0)
                count[table] = index + 1
                table = f"{table}/{index}"
                found[(table, "")] = number
        elif key:
            found.setdefault((table, key.group(1)), number)
        if marks and marks.count(marks[0]) % 2:
            quoted = marks[0]
    return found
