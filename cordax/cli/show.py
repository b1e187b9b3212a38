"""What the verbs share: options, progress bars, tables, JSON."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cordax.settings import Refused as Refused

DEFAULT_SEED = 20260101

err = Console(stderr=True)
out = Console()

Seed = Annotated[
    int, typer.Option(help="Seed of every random number; printed in the report.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what cordax made here.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
TwinFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Twin folder made by cordax fit.")
]


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Bars on standard error: call the result with a phase and a share from 0 to 1."""
    if quiet or not sys.stderr.isatty():
        yield _lines(title, quiet)
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def step(phase: str, share: float) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(f"{title}: {phase}", total=1.0)
            bars.update(tasks[phase], completed=min(max(share, 0.0), 1.0))

        yield step


def _lines(title: str, quiet: bool) -> Callable[[str, float], None]:
    """Where no bar can be drawn: one line when a phase begins."""
    said: set[str] = set()

    def step(phase: str, share: float) -> None:
        if not quiet and phase not in said:
            said.add(phase)
            err.print(f"{title}: {phase}", highlight=False, markup=False)

    return step


def print_json(data: Any) -> None:
    """Prints a plain structure; numpy numbers and arrays become lists."""
    print(json.dumps(data, default=_plain, indent=1, ensure_ascii=False))


def _plain(value: Any) -> Any:
    from dataclasses import asdict, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    to_list = getattr(value, "tolist", None)
    return to_list() if to_list else str(value)


def table(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Prints a table on standard output, numbers to the right."""
    from rich import box
    from rich.table import Table

    shown = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for index, name in enumerate(header):
        shown.add_column(name, overflow="fold", no_wrap=index == 0)
    for row in rows:
        shown.add_row(*row)
    out.print(shown, highlight=False, markup=False)


def spread(value: Any, signed: bool = False) -> str:
    """ "94.0 (88.0 to 101)" from (median, low, high)."""
    from cordax.reports.html import number

    middle, low, high = (
        ("+" if signed and float(part) > 0 else "") + number(float(part))
        for part in value
    )
    return f"{middle} ({low} to {high})"
