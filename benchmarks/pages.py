"""What sections of docs/validation.md are made of."""

from typing import Any

#: values by acceptance row, and the lines of the page
Section = tuple[dict[str, dict[str, float]], list[str]]


def table(header: list[str], rows: list[list[Any]]) -> list[str]:
    def cell(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(map(cell, line)) + " |" for line in lines] + [""]
