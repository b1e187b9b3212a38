"""What a learned residual does to one patient's twin: rows for the report.

What it adds to every predicted index, how far the patient and each what-if are from
where it was learned, and which mechanistic parameter moved when it came in.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cordax.twins.features import LEARNED
from learned.storage.hybrid import Learned


@dataclass(frozen=True)
class InputRow:
    """A quantity the residual was asked with: where it was learned, where it went.

    ``outside`` is the share of draws that left the range, ``excess`` the farthest of
    them in widths of the range.
    """

    name: str
    unit: str
    learned: tuple[float, float]
    seen: tuple[float, float]
    outside: float
    excess: float


def input_rows(
    residual: Learned, seen: dict[str, np.ndarray], good: Any
) -> tuple[InputRow, ...]:
    """How far draws went from the range, by input; ``seen`` holds ``learned.*``."""
    rows, box = [], residual.range
    bounds = zip(
        box.names, box.units, np.asarray(box.lower), np.asarray(box.upper), strict=True
    )
    for name, unit, low, high in bounds:
        lowest = np.asarray(seen[f"{LEARNED}low.{name}"])[good]
        highest = np.asarray(seen[f"{LEARNED}high.{name}"])[good]
        excess = np.maximum(np.maximum(low - lowest, highest - high), 0.0)
        rows.append(
            InputRow(
                name,
                unit,
                (float(low), float(high)),
                (float(np.min(lowest)), float(np.max(highest))),
                float(np.mean(excess > 0.0)),
                float(np.max(excess) / (high - low)),
            )
        )
    return tuple(rows)


def flag(rows: tuple[InputRow, ...]) -> str:
    """One sentence where draws left the range; empty where none did."""
    out = [row for row in rows if row.outside > 0.0]
    if not out:
        return ""
    worst = max(out, key=lambda row: row.outside)
    return (
        f"In {100.0 * worst.outside:.0f} % of the draws {worst.name} leaves the range "
        f"the residual was learned in ({worst.learned[0]:.3g} to "
        f"{worst.learned[1]:.3g} {worst.unit}; here {worst.seen[0]:.3g} to "
        f"{worst.seen[1]:.3g}). There it fades and the mechanistic model answers."
    )
