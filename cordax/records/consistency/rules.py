"""The rules by name, and a record through all of them."""

from collections.abc import Callable, Iterator

from cordax.records.consistency import conditions, flows, pressures, recordings
from cordax.records.consistency.compare import Contradiction, Facts, facts
from cordax.records.record import Record


def _valve(known: Facts) -> Iterator[Contradiction]:
    given = (flows.output(known, kind) for kind in flows.FLOWS)
    return pressures.valve(known, next((flow for flow in given if flow), None))


RULES: dict[str, Callable[[Facts], Iterator[Contradiction]]] = {
    "outputs and stroke volumes": flows.flows,
    "ejected and forward volume": flows.strokes,
    "ejection fraction and volumes": flows.ejection,
    "resistance": flows.resistance,
    "mean and pulse": pressures.means,
    "wedge and pulmonary artery": pressures.wedge,
    "filling pressures": pressures.filling,
    "gradient, area and flow": _valve,
    "waveform and numbers": recordings.waveforms,
    "body surface": recordings.body,
    "opposite conditions": conditions.together,
    "several circulations": conditions.several,
    "condition and numbers": conditions.expected,
    "stenosis without a name": conditions.unnamed,
}


def contradictions(record: Record) -> list[Contradiction]:
    """Everything in a record that contradicts something else in it."""
    known = facts(record)
    return [found for rule in RULES.values() for found in rule(known)]
