"""cordax: from one patient's measurements to a calibrated, uncertain heart.

Research software, not a medical device. Public names are loaded when first used, so
that `import cordax` costs nothing: `cordax.setup()`, `cordax.load(folder)`.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .record import Record, read
    from .runtime import setup
    from .twin import Twin, calibrate, load

try:
    __version__ = version("cordax")
except PackageNotFoundError:  # a bare checkout on the path, never installed
    __version__ = "0+unknown"

_HOMES = {
    "setup": "runtime",
    "load": "twin",
    "Twin": "twin",
    "calibrate": "twin",
    "read": "record",
    "Record": "record",
}

__all__ = ["Record", "Twin", "__version__", "calibrate", "load", "read", "setup"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(
            f"cordax has no {name!r}; it offers {', '.join(sorted(_HOMES))}."
        )
    return getattr(import_module(f"cordax.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
