"""What a learned residual does to one patient's twin: rows for the report.

What it adds to every predicted index, how far the patient and each what-if are from
where it was learned, and which mechanistic parameter moved when it came in.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordax.report import Spread
from cordax.seen import LEARNED, difference
from learned.storage import Learned
from physio.hemodynamics.indices import UNITS

if TYPE_CHECKING:
    from cordax.twin import Twin

_HARDLY = 0.1  # posterior sd by which a parameter has hardly moved


@dataclass(frozen=True)
class AddedRow:
    """An index with the residual, and what the residual adds to it, draw by draw."""

    name: str
    unit: str
    value: Spread
    added: Spread


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


@dataclass(frozen=True)
class MovedRow:
    """A mechanistic parameter fitted without and with the residual; ``moved`` in sd."""

    name: str
    unit: str
    without: float
    within: float
    moved: float


@dataclass(frozen=True)
class HybridPart:
    """All a report says of the learned part; ``whatifs`` has inputs by title."""

    added: tuple[AddedRow, ...]
    inputs: tuple[InputRow, ...]
    whatifs: tuple[tuple[str, tuple[InputRow, ...]], ...]
    moved: tuple[MovedRow, ...]
    training: dict[str, Any]


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


def _spread(values: Any) -> Spread:
    low, middle, high = np.quantile(np.asarray(values), [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)


def _added(twin: "Twin") -> tuple[AddedRow, ...]:
    rows, plain = [], twin.mechanistic_rest
    good = np.asarray(twin.rest.ok & plain.ok)
    good[0] = False  # the most probable is no draw
    for name, unit in UNITS.items():
        if name not in twin.rest.features or name not in plain.features:
            continue
        both = [np.asarray(d.features[name])[good] for d in (twin.rest, plain)]
        if np.isfinite(both).all() and np.any(both):
            rows.append(
                AddedRow(name, unit, _spread(both[0]), _spread(difference(*both)))
            )
    return tuple(rows)


def _moved(twin: "Twin") -> tuple[MovedRow, ...]:
    import jax.numpy as jnp

    if twin.plain_z is None:
        return ()
    space = twin.start.space
    without = space.physical(jnp.asarray(twin.plain_z))
    within = space.physical(jnp.asarray(twin.z))
    shift = (twin.z - twin.plain_z) / twin.sd_ratio
    rows = [
        MovedRow(
            f.name, f.unit, float(without[f.name]), float(within[f.name]), float(by)
        )
        for f, by in zip(space.free, shift, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row.moved)))


def hybrid_part(twin: "Twin") -> HybridPart | None:
    """What the report shows of a twin's residual; None without one."""
    if twin.residual is None:
        return None
    residual = twin.residual
    asked = tuple(
        (a["title"], input_rows(residual, a["learned"], a["good"])) for a in twin.asked
    )
    return HybridPart(
        _added(twin),
        input_rows(residual, twin.rest.learned, np.asarray(twin.rest.ok)),
        asked,
        _moved(twin),
        residual.training,
    )


def moved_in_words(rows: tuple[MovedRow, ...]) -> str:
    """Which parameter moved most when the residual came in."""
    far = [row for row in rows if abs(row.moved) > _HARDLY]
    if not far:
        return "No mechanistic parameter moved by a tenth of its sd."
    told = [f"{row.name} ({row.moved:+.1f} sd)" for row in far[:3]]
    return f"Moved when the residual came in: {', '.join(told)}."
