"""A package's public names, loaded when first used: a command line starts fast."""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazily(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Its names are those that its ``__init__`` imports for the type checker, from its own
    modules: they are said once.
    """
    source = Path(str(sys.modules[package].__file__)).read_text(encoding="utf-8")
    where = {
        alias.name: str(node.module)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(package)
        for alias in node.names
    }
    where.pop(lazily.__name__, None)

    def load(name: str) -> Any:
        if name not in where:
            offered = ", ".join(sorted(where))
            raise AttributeError(f"{package} has no {name!r}; it offers {offered}.")
        return getattr(import_module(where[name]), name)

    return load, lambda: sorted(where)
