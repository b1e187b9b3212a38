"""Reading a report's tables back, as a reader does."""

import re
from html.parser import HTMLParser

#: Of an index or a measurement as a page or a table labels it: what 1 of it is in a
#: common unit. Typed here, so that a label of the library that is wrong does not pass.
COMMON = {
    "mmHg": ("pressure", 1.0),
    "L/min": ("flow", 1000.0 / 60.0),
    "mL/min": ("flow", 1.0 / 60.0),
    "mL": ("volume", 1.0),
    "1/min": ("rate", 1.0),
    "/min": ("rate", 1.0),
    "%": ("share", 0.01),
    "WU": ("resistance", 60.0 / 1000.0),
    "mmHg s/mL": ("resistance", 1.0),
}


class Tables(HTMLParser):
    """Rows of every table by its class, cells as text."""

    def __init__(self, page: str):
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.kind, self.cell = "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.kind = dict(attrs).get("class") or ""
        elif tag == "tr":
            self.rows.setdefault(self.kind, []).append([])
        elif tag in ("td", "th"):
            self.rows[self.kind][-1].append("")
            self.cell = True

    def handle_endtag(self, tag):
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.cell:
            self.rows[self.kind][-1][-1] += f" {data}"


def row(page: str, kind: str, words: str) -> list[str]:
    """The one row of a kind of table whose name begins so, the name first."""
    found = [
        r for r in Tables(page).rows[kind]
        if f"{r[0].strip()}  ".startswith(f"{words}  ")
    ]  # fmt: skip
    assert len(found) == 1, (kind, words, found)
    return [" ".join(cell.split()) for cell in found[0]]


def numbers(cell: str) -> list[float]:
    """The numbers that a cell prints."""
    text = cell.replace("−", "-")
    return [float(x) for x in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def in_common(value: float, unit: str) -> tuple[str, float]:
    """What a value with its label is, in the common unit of its quantity."""
    quantity, size = COMMON[unit]
    return quantity, value * size
