"""What the pages and the examples promise about themselves."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
PAGES = [
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts
]


def typed(page: Path) -> str:
    """What a page shows in its blocks of commands and code."""
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.M | re.S))


def imported(tree: ast.Module) -> set[str]:
    """Every dotted part of what a script imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {part for a in node.names for part in a.name.split(".")}
        elif isinstance(node, ast.ImportFrom):
            names |= {a.name for a in node.names} | set((node.module or "").split("."))
    return names


def test_examples_are_numbered_from_one_without_a_gap(record_property):
    record_property("examples", len(EXAMPLES))
    assert len(EXAMPLES) >= 6
    numbers = [int(path.name[:2]) for path in EXAMPLES]
    assert numbers == list(range(1, len(EXAMPLES) + 1))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_asks_and_answers_in_fewer_than_80_lines(path, record_property):
    text = path.read_text()
    tree = ast.parse(text)
    record_property("longest", len(text.splitlines()))
    assert len(text.splitlines()) < 80
    assert (ast.get_docstring(tree) or "").splitlines()[0].endswith("?")
    assert "Answer:" in text
    assert not [name for name in imported(tree) if name.startswith("_")]
    assert path.name in (ROOT / "README.md").read_text()


def test_the_readme_says_what_cordax_is_not():
    assert "not a medical device" in " ".join((ROOT / "README.md").read_text().split())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_commands_of_a_page_exist(path):
    from cordax.cli.app import app

    verbs = {command.name for command in app.registered_commands}
    verbs |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"^(?:\S*/)?cordax ([a-z]+)\b", typed(path), re.M)) <= verbs


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_targets_of_make_exist(path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"^make ([a-z]+)\b", typed(path), re.M)) <= {*targets}


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("[here](nowhere.md)")
    with pytest.raises(AssertionError, match="links to nowhere"):
        test_the_links_of_a_page_lead_somewhere(page)


def public(module: str) -> set[str]:
    """What a package offers by ``__all__``, and the packages inside it."""
    folder = ROOT / module.replace(".", "/")
    init = folder / "__init__.py"
    if not init.exists():
        return set()
    offered = {p.parent.name for p in folder.glob("*/__init__.py")}
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            offered |= set(ast.literal_eval(node.value))
    return offered


def private(code: str) -> list[str]:
    """What a script imports of ours that no package offers."""
    ours = ("physio", "learned", "calibration", "cordax")
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ours):
            missing = {a.name for a in node.names} - public(str(node.module))
            found += [f"{node.module}.{name}" for name in sorted(missing)]
    return found


#: What the tutorial itself adds.
MADE_UP = {"physio.hemodynamics.elements.TiltingDisc"} | {
    "physio.hemodynamics.elements.tilting_disc.TiltingDisc"
}


@pytest.mark.parametrize("path", [*EXAMPLES, *PAGES], ids=lambda path: path.name)
def test_what_a_reader_imports_is_public(path):
    text = path.read_text()
    blocks = [text]
    if path.suffix == ".md":
        blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert not {name for block in blocks for name in private(block)} - MADE_UP


def test_a_private_import_is_found():
    assert private("from physio.stepping import runge_kutta_step")
    assert private("from physio import stepping") and not private(
        "from physio import settle"
    )


def test_every_name_that_a_package_offers_is_there():
    import importlib

    for package in ("physio", "learned", "calibration", "cordax"):
        for init in (ROOT / package).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT).parts)
            module = importlib.import_module(name)
            offered = set(getattr(module, "__all__", ()))
            assert len(offered) == len(getattr(module, "__all__", ()))
            for one in offered:
                assert hasattr(module, one) or importlib.import_module(f"{name}.{one}")
