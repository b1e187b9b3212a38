"""Sphinx settings. Builds off-line; what can be read from the code is read from it.

A page may say `@modules(physio)`, `@units`, `@cells`, `@rooms`, `@ranges`,
`@acceptance` or `@examples` on a line of its own; the modules of a package, the unit
table, the catalogue of cells, the rooms of the code, the published ranges of the named
states, the table of docs/acceptance.toml and the example scripts take its place at
build time, so that no page lists what may change.
"""

import dataclasses
import inspect
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = "cordax"
author = copyright = "The cordax developers"
release = version = PROJECT["version"]
extensions = ["sphinx.ext.autodoc", "myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"cordax {release}"
html_theme_options = {
    "announcement": "For research. Not a medical device.",
    "top_of_page_buttons": [],
}
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 3
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "ignore-module-all": True,  # what an __init__ re-exports is shown at its home
}
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False  # what an abstract class says, it says once


# --- pages ----------------------------------------------------------------------


def modules(package: str) -> str:
    """An automodule for every public module of a package, as found on the disk."""
    lines = []
    for file in sorted((ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if any(part.startswith("_") for part in parts):
            continue
        name = ".".join(parts)
        lines += [
            f"## {name}",
            "",
            "```{eval-rst}",
            f".. automodule:: {name}",
            "```",
            "",
        ]
    return "\n".join(lines)


def units() -> str:
    from physio.units import UNITS

    rows = [f"| `{unit}` | {meaning} |" for unit, meaning in UNITS.items()]
    return "\n".join(["| unit | of |", "|---|---|", *rows])


def cells() -> str:
    from physio.electrophysiology.cells import CATALOGUE

    rows = [
        f"| `{name}` | {cell.help} | {', '.join(cell.layers) or '–'} | {cell.source} |"
        for name, cell in CATALOGUE.items()
    ]
    return "\n".join(
        ["| name | what it is | layers | source |", "|---|---|---|---|", *rows]
    )


def acceptance() -> str:
    rows = tomllib.loads((ROOT / "docs" / "acceptance.toml").read_text())
    lines = []
    for area, entries in rows.items():
        lines += [f"## {area.capitalize()}", ""]
        lines += [
            "| what | wanted | got | status | measured |",
            "|---|---|---|---|---|",
        ]
        for row in entries:
            got = f"`{row['got']}`" if row["got"] else ""
            when = f"{row['date']} {row['commit']}"
            cells = (row["claim"], f"`{row['wanted']}`", got, row["status"], when)
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def ranges() -> str:
    """The published ranges of every named state, and what each was taken from."""
    lines = []
    for file in sorted((ROOT / "tests" / "reference" / "states").glob("*.toml")):
        state = tomllib.loads(file.read_text())
        count = [row["origin"] for row in state["range"]].count
        told = ", ".join(
            f"{count(o)} {o}" for o in ("read", "part", "recalled", "cited")
        )
        lines += [
            f"## {state['title']}", "", f"{len(state['range'])} ranges: {told}.", "",
            "| index | range | unit | numbers | source | note |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for row in state["range"]:
            cells = (
                row["index"], f"{row['low']:g} to {row['high']:g}", row["unit"],
                row["origin"], row["source"], row.get("note", ""),
            )  # fmt: skip
            safe = (cell.replace("|", "/").replace("<", "&lt;") for cell in cells)
            lines.append("| " + " | ".join(safe) + " |")
        lines.append("")
    return "\n".join(lines)


def examples() -> str:
    """Every example under its question, with its picture where docs/images has one."""
    lines = []
    for file in sorted((ROOT / "examples").glob("[0-9]*.py")):
        text = file.read_text()
        question = text.removeprefix('"""').splitlines()[0]
        lines += [f"## {question}", ""]
        if (ROOT / "docs" / "images" / f"{file.stem}.png").exists():
            lines += [f"![{file.stem}](images/{file.stem}.png)", ""]
        lines += [f"`examples/{file.name}`", "", "```python", text, "```", ""]
    return "\n".join(lines)


def rooms() -> str:
    """Every package with the first sentence it says of itself, and its files."""
    lines = ["| room | what stands there | files |", "|---|---|---|"]
    for package in ("physio", "learned", "calibration", "cordax"):
        for init in sorted((ROOT / package).rglob("__init__.py")):
            text = init.read_text()
            said = text.removeprefix('"""').split('"""')[0].split("\n\n")[0]
            stems = [f.stem for f in sorted(init.parent.glob("*.py"))]
            files = ", ".join(f"`{s}`" for s in stems if not s.startswith("__"))
            room = init.parent.relative_to(ROOT)
            lines.append(f"| `{room}` | {' '.join(said.split())} | {files} |")
    return "\n".join(lines)


def fill(_app, _page: str, source: list[str]) -> None:
    text = re.sub(
        r"^@modules\((\w+)\)$", lambda m: modules(m[1]), source[0], flags=re.M
    )
    tables = {"units": units, "cells": cells, "acceptance": acceptance}
    tables |= {"examples": examples, "rooms": rooms, "ranges": ranges}
    for name, table in tables.items():
        if f"\n@{name}\n" in text:
            text = text.replace(f"\n@{name}\n", f"\n{table()}\n")
    # Written by `make validate`; a fresh checkout has none.
    if not (ROOT / "docs" / "validation.md").exists():
        text = re.sub(r"^validation\n", "", text, flags=re.M)
    source[0] = text


# --- docstrings -----------------------------------------------------------------
# They are plain text: paragraphs of prose, equations in unicode, small tables. What
# is indented or a list stays as it is typed; in prose only `code` is marked up.


def plain_text(lines: list[str]) -> list[str]:
    out: list[str] = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip()):
        if re.search(r"^(\s|[-*|] )", paragraph, flags=re.M):
            out += ["::", "", *("   " + line for line in paragraph.splitlines()), ""]
        else:
            out += [prose(paragraph), ""]
    return out


def prose(paragraph: str) -> str:
    text = re.sub(r":\w+:(`)", r"\1", " ".join(paragraph.split()))
    parts = re.split(r"(`+)(.+?)\1", text)
    marked = []
    for index in range(0, len(parts), 3):
        bold = re.split(r"(\*\*\w[^*]*\*\*)", parts[index])
        bold[::2] = [re.sub(r"([\\*_|<>:`])", r"\\\1", part) for part in bold[::2]]
        marked += bold
        if index + 2 < len(parts):
            marked.append(rf"\ ``{parts[index + 2]}``\ ")
    return "".join(marked)


def parameter_table(cls: type) -> list[str]:
    """The parameters a model states with `param`, as a table."""
    if not dataclasses.is_dataclass(cls):
        return []
    rows: list[str] = []
    for field in dataclasses.fields(cls):
        said = field.metadata
        if "unit" in said and "source" in said:
            given = field.default is not dataclasses.MISSING
            default = str(field.default) if given else "given"
            cells = (
                f"``{field.name}``",
                default,
                said["unit"],
                said["doc"],
                said["source"],
            )
            first, *rest = (c if c.startswith("``") else prose(c) for c in cells)
            rows += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
    if not rows:
        return []
    head = ["parameter", "default", "unit", "meaning", "source"]
    heading = [f"   * - {head[0]}", *(f"     - {cell}" for cell in head[1:])]
    return [".. list-table::", "   :header-rows: 1", "", *heading, *rows, ""]


def render(_app, what: str, _name: str, obj, _options, lines: list[str]) -> None:
    made_up = dataclasses.is_dataclass(obj) and "\n".join(lines).startswith(
        f"{getattr(obj, '__name__', '')}("
    )  # what the dataclass decorator writes where there is no docstring
    lines[:] = [] if made_up else plain_text(lines)
    if what == "class" and inspect.isclass(obj):
        lines += parameter_table(obj)


def short_signature(_app, what: str, _name: str, obj, _options, signature, returns):
    """A model's signature is its fields' names; its table says the rest."""
    if what == "class" and dataclasses.is_dataclass(obj):
        fields = (field.name for field in dataclasses.fields(obj) if field.init)
        return f"({', '.join(fields)})", None
    spelt = [s and s.replace("jaxlib._jax.", "") for s in (signature, returns)]
    return spelt[0], spelt[1]


def setup(app) -> None:
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", render)
    app.connect("autodoc-process-signature", short_signature)
