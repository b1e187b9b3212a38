"""What a user types as a treatment or a model's name, and what it becomes."""

from typing import TYPE_CHECKING

from cordax.faces import lazily

if TYPE_CHECKING:
    from cordax.scenarios.doses import DOSES, describe
    from cordax.scenarios.names import CELLS, HEARTS, STATES, TREATMENTS, called, cell
    from cordax.scenarios.scenario import (
        Asked,
        Scenario,
        ScenarioError,
        Treatment,
        parse,
        parse_all,
        read,
        understand,
    )

__all__ = [
    "Asked",
    "CELLS",
    "DOSES",
    "HEARTS",
    "STATES",
    "Scenario",
    "ScenarioError",
    "TREATMENTS",
    "Treatment",
    "called",
    "cell",
    "describe",
    "parse",
    "parse_all",
    "read",
    "understand",
]

__getattr__, __dir__ = lazily(__name__)
