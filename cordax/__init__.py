"""cordax: from one patient's measurements to a calibrated, uncertain heart.

Research software, not a medical device. Public names are loaded when first used, so
that `import cordax` costs nothing: `cordax.setup()`, `cordax.load(folder)`.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cordax.records.examine import read
    from cordax.records.record import Record
    from cordax.runtime import setup
    from cordax.twins.calibrate import calibrate
    from cordax.twins.twin import Twin, load

try:
    __version__ = version("cordax")
except PackageNotFoundError:  # a bare checkout on the path, never installed
    __version__ = "0+unknown"

_HOMES = {
    "setup": "runtime",
    "load": "twins.twin",
    "Twin": "twins.twin",
    "calibrate": "twins.calibrate",
    "read": "records.examine",
    "Record": "records.record",
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
