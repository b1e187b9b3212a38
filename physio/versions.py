"""Versions of this program and of what a result depends on."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

#: What a stored result names.
DEPENDED_ON = ("cordax", "jax", "equinox", "diffrax", "optax", "numpy")


def versions(names: Sequence[str] = DEPENDED_ON) -> dict[str, str]:
    """Versions of Python and of packages by name; nothing is imported."""
    import platform

    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
