"""Numbers of one record that contradict each other: warnings, never refusals.

Different tests on different days disagree, and a regurgitant valve makes two strokes
out of one; so a pair is told only where it lies further apart than three combined
standard deviations of what was measured and of what relates the two.
"""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.records.consistency.compare import facts
    from cordax.records.consistency.flows import FLOWS
    from cordax.records.consistency.rules import RULES, contradictions

__all__ = ["FLOWS", "RULES", "contradictions", "facts"]

__getattr__, __dir__ = lazily(__name__)
