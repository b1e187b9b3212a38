"""Read a patient record from a file, or say what is wrong with it."""

import tomllib
from pathlib import Path

from cordax.records.record import Record, RecordError, RecordProblem


def read(path: str | Path) -> Record:
    """Reads a record.

    **Raises** RecordError naming every problem with line and remedy.
    """
    record, found = examine(Path(path))
    errors = [problem for problem in found if problem.level == "error"]
    if errors or record is None:
        raise RecordError(errors)
    return record


def problems(path: str | Path) -> list[RecordProblem]:
    """Everything wrong or doubtful in a record, by line; empty where all is well."""
    return examine(Path(path))[1]


def examine(path: Path) -> tuple[Record | None, list[RecordProblem]]:
    """The record (None where it cannot be used) and every problem, by line."""
    from cordax.records.reading import build

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return None, [_unreadable(path, error)]
    except UnicodeDecodeError:
        return None, [
            RecordProblem(
                str(path), None, "", "the file is not text", "Save it as UTF-8."
            )
        ]
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_invalid(path, text, error)]
    record, found = build(path, text, data)
    return record, sorted(found, key=lambda p: (p.level, p.line or 0))


def _unreadable(path: Path, error: OSError) -> RecordProblem:
    fix = "Check the name, or type: cordax record new " + path.name
    return RecordProblem(str(path), None, "", f"cannot be read: {error.strerror}", fix)


def _invalid(path: Path, text: str, error: tomllib.TOMLDecodeError) -> RecordProblem:
    import re

    at = re.search(r"line (\d+)", str(error))
    line = int(at.group(1)) if at else len(text.splitlines())
    rows = text.splitlines()
    shown = rows[line - 1].strip() if 0 < line <= len(rows) else ""
    fix = "Write one key = value a line; words in quotes, numbers without."
    if re.search(r"=\s*[\d.]+\s*,\s*\d", shown):
        fix = "Decimals take a point, not a comma."
    elif re.search(r"=\s*[\d.]+\s*[a-zA-Z/]+", shown):
        fix = "The unit belongs to the key: heart_rate_bpm = 60."
    return RecordProblem(
        str(path), line, "", f"not valid TOML at {shown!r} ({error})", fix
    )
