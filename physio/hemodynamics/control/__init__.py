"""What regulates a circulation: baroreflex and autoregulation."""

from physio.hemodynamics.control.autoregulation import Autoregulated
from physio.hemodynamics.control.baroreflex import (
    LOOP_GAIN_AT_UNIT_GAIN,
    Baroreflex,
    Effects,
)

__all__ = ["Autoregulated", "Baroreflex", "Effects", "LOOP_GAIN_AT_UNIT_GAIN"]
