"""Versions of this program and of what it stands on."""

from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    import platform

    found = {"python": platform.python_version()}
    for name in ("cordax", "jax", "equinox", "diffrax", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
