"""Numbers of one record that contradict each other: warnings, never refusals.

Different tests on different days disagree, and a regurgitant valve makes two strokes
out of one; so a pair is told only where it lies further apart than three combined
standard deviations of what was measured and of what relates the two.
"""

from cordax.records.consistency.compare import (
    Contradiction as Contradiction,
)
from cordax.records.consistency.rules import RULES as RULES
from cordax.records.consistency.rules import contradictions as contradictions
