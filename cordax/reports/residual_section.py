"""The report's section on a learned part."""

from typing import TYPE_CHECKING, Any

from cordax.reports.from_twin import moved_in_words
from cordax.reports.html import escape, named, number, signed, spread, table, unit
from cordax.twins.learned_range import flag

if TYPE_CHECKING:
    from cordax.reports.data import AddedRow, ReportData
    from cordax.twins.learned_range import InputRow


def hybrid(data: "ReportData") -> str:
    """What the learned residual adds, where it was learned, and what it moved."""
    part = data.hybrid
    if part is None:
        return ""
    shown = [row for row in part.added if _changes(row)]
    added = [
        (named(row.name, row.unit), spread(row.value), signed(row.added))
        for row in shown
    ]
    others = len(part.added) - len(shown)
    few = f" {others} others change by less than 0.1 %." if others else ""
    moved = [
        (
            escape(row.name),
            unit(row.unit),
            number(row.without),
            number(row.within),
            f"{row.moved:+z.1f}".replace("-", "−"),
        )
        for row in part.moved
    ]
    blocks = [
        "<p>This twin is a hybrid: a network learned from a cohort adds flows to the "
        "mechanistic circulation, inside the range it was learned in and nowhere else. "
        f"{escape(_trained(part.training))}</p>",
        _range("At rest", part.inputs),
        *(_range(title, rows) for title, rows in part.whatifs),
        "<h3>What the residual adds</h3><p>The same draws with and without it."
        f"{few}</p>",
    ]
    if added:
        header = ("Index", "With the residual", "Of it the residual's")
        blocks.append(table(header, added))
    if moved:
        blocks += [
            f"<h3>What moved</h3><p>{escape(moved_in_words(part.moved))} Each "
            "parameter's most probable value, fitted without the residual and with "
            "it.</p>",
            table(("Parameter", "Unit", "Without", "With", "Moved, sd"), moved),
        ]
    return "".join(blocks)


def _changes(row: "AddedRow") -> bool:
    """Whether an end of what is added reaches a thousandth of the index."""
    return max(map(abs, row.added)) > 1e-3 * abs(row.value[0])


def _trained(training: dict[str, Any]) -> str:
    """How it was trained, in a sentence; empty where its file does not say."""
    names = ("patients", "held_out", "held_out_loss_before", "held_out_loss", "steps")
    if any(name not in training for name in names):
        return ""
    n, held, before, after, steps = (training[name] for name in names)
    return (
        f"It was trained on {n - held} patients in {steps} steps; the misfit of "
        f"{held} held out was {number(float(before))} before and "
        f"{number(float(after))} after."
    )


def _range(title: str, rows: "tuple[InputRow, ...]") -> str:
    said = flag(rows)
    warned = f'<ul class="warnings"><li>{escape(said)}</li></ul>' if said else ""
    cells = [
        (
            escape(row.name),
            unit(row.unit),
            f"{number(row.learned[0])} to {number(row.learned[1])}",
            f"{number(row.seen[0])} to {number(row.seen[1])}",
            f"{100.0 * row.outside:.0f} %",
        )
        for row in rows
    ]
    header = ("Asked with", "Unit", "Learned in", "Here", "Draws outside")
    return f"<h3>{escape(title)}: how far from the training</h3>{warned}" + table(
        header, cells
    )
