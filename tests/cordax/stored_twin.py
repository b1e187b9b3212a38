"""A small payload of a twin folder, for tests of what is stored."""

import numpy as np


def example() -> dict:
    """A small payload with every type of value, the same on every machine."""
    draws = np.linspace(0.5, 1.5, 6)
    return {
        "id": "periop",
        "model": {
            "builder": "circulation",
            "arguments": {"reflex": True, "chambers": 4},
            "interventions": [["fluid_bolus", 500.0]],
            "leaves": {"systemic.resistance": 0.1 + 0.2, "grid": np.arange(3.0)},
        },
        "record": {"id": "periop", "measurements": []},
        "draws": {"systemic.resistance": draws, "beat": draws.reshape(2, 3)},
        "fit": {"misfit": 1.25, "tau": None, "note": "a → b"},
        "seed": 20260101,
        "versions": {"cordax": "0.1.0"},
    }
