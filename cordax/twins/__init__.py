"""A twin: prepared, calibrated, asked, stored."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.twins.calibrate import fitted
    from cordax.twins.features import SENSED, WAVE, difference
    from cordax.twins.learned_range import InputRow, flag, input_rows
    from cordax.twins.prepare import Start, start
    from cordax.twins.store import KIND, MIGRATIONS, SCHEMA, StoreError, load, save
    from cordax.twins.surrogate_density import log_density
    from cordax.twins.twin import Twin
    from cordax.twins.what_if import ChangeRow, WhatIf

__all__ = [
    "ChangeRow",
    "InputRow",
    "KIND",
    "MIGRATIONS",
    "SCHEMA",
    "SENSED",
    "Start",
    "StoreError",
    "Twin",
    "WAVE",
    "WhatIf",
    "difference",
    "fitted",
    "flag",
    "input_rows",
    "load",
    "log_density",
    "save",
    "start",
]

__getattr__, __dir__ = lazily(__name__)
