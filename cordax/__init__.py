"""cordax: from one patient's measurements to a calibrated, uncertain heart.

Research software, not a medical device. Public names are loaded when first used, so
that `import cordax` costs nothing: `cordax.setup()`, `cordax.load(folder)`.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cordax.faces import lazily

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

__all__ = ["Record", "Twin", "__version__", "calibrate", "load", "read", "setup"]

__getattr__, __dir__ = lazily(__name__)
