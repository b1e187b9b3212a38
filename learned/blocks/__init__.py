"""Networks, curves and ranges that everything learned is made of."""

from learned.blocks.curve import INTERVALS, MonotoneMap, hats
from learned.blocks.network import Network, cubic
from learned.blocks.ranges import MARGIN, Range

__all__ = ["INTERVALS", "MARGIN", "MonotoneMap", "Network", "Range", "cubic", "hats"]
