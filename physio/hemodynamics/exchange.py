"""Flows between compartments that a correction adds to a circulation.

Blood is conserved by construction: a flow leaves one compartment and enters another,
the implied one included, so every column of the from/to matrix sums to zero.
"""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from physio.hemodynamics.circulation import Circulation


class Exchange(eqx.Module):
    """``into`` of a correction that returns flows (mL/s): (n_flow,) -> tangent.

    ``matrix`` (n_compartment, n_flow) says what a flow takes (-1) and brings (+1);
    the ``implied`` compartment's row counts, though its volume is not a state.
    """

    stored_as: ClassVar[str] = "Exchange"

    compartments: tuple[str, ...] = eqx.field(static=True)
    matrix: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    implied: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        matrix = np.asarray(self.matrix)
        if matrix.ndim != 2 or len(matrix) != len(self.compartments):
            raise ValueError(
                f"An exchange has a row per compartment ({len(self.compartments)}); "
                f"got a matrix of shape {matrix.shape}."
            )
        lost = np.abs(matrix.sum(axis=0))
        # rows are typed: their sum is exact but for round-off
        if lost.max() > 1e-12:
            raise ValueError(
                f"Flow {int(lost.argmax())} takes what it does not bring: the column "
                f"sums to {lost.max():g}, not 0. Blood would not be conserved."
            )

    def __call__(self, flow: Float[Array, " n_flow"]) -> dict[str, dict[str, Array]]:
        """What the flows (mL/s) change in the volumes, by compartment."""
        change = {}
        for name, row in zip(self.compartments, self.matrix, strict=True):
            terms = [w * flow[k] for k, w in enumerate(row) if w]
            if terms and name != self.implied:
                change[name] = sum(terms[1:], start=terms[0])
        return {"volume": change}


def exchange(model: Circulation, *paths: Sequence[str]) -> Exchange:
    """Flows along paths (from, to) of compartments by name.

    Raises ``KeyError`` for a compartment the circulation does not have, ``ValueError``
    for one behind the aortic valve: stroke volume is what that one passes on.
    """
    names = tuple(model.compartments)
    valve = model.connections.get("aortic_valve")
    matrix = np.zeros((len(names), len(paths)))
    for k, path in enumerate(paths):
        for name, share in zip(path, (-1.0, 1.0), strict=True):
            if name not in names:
                raise KeyError(
                    f"{name!r} is not a compartment; there are {', '.join(names)}."
                )
            if valve is not None and name == valve.target:
                raise ValueError(
                    f"A correction may not reach {name}: what it passes on is read as "
                    "stroke volume. Take the next compartment."
                )
            matrix[names.index(name), k] += share
    return Exchange(names, tuple(map(tuple, matrix.tolist())), model.implied)
