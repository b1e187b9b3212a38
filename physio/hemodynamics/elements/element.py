"""The two kinds of element a circulation is made of.

A **compartment** holds a volume and answers with a transmural pressure; a
**connection** joins two compartments and answers with a flow. A flow leaves one
compartment and enters another, so blood is conserved by construction.
"""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PyTree

_VOLUME: dict[str, Any] = dict(
    unit="mL", source="start of a run; forgotten after a few beats"
)
START_VOLUME: dict[str, Any] = dict(_VOLUME, doc="volume at the start of a run")
PLEURAL_SHARE: dict[str, Any] = dict(
    unit="1",
    source="anatomy; systemic veins: this project's fit to 24 ventilated patients",
    doc="share of the pleural pressure acting outside",
)
LUNG_SHARE: dict[str, Any] = dict(
    unit="1",
    source="this project's fit to 24 ventilated patients; van den Berg 2002, "
    "10.1152/japplphysiol.00487.2001",
    doc="share of the transpulmonary pressure acting outside",
)


class AbstractCompartment(eqx.Module):
    """A volume of blood with a pressure-volume relation.

    The pressure inside is the transmural pressure plus what acts outside: shares of
    the pleural and the transpulmonary pressure, and for the vessels of the heart's
    wall a share of a chamber's pressure (``squeezed_by``).
    """

    start_volume: eqx.AbstractVar[Array]
    pleural_share: eqx.AbstractVar[Array]
    lung_share: eqx.AbstractVar[Array]

    @abc.abstractmethod
    def transmural_pressure(
        self, volume: Float[Array, ""], activations: dict[str, Array]
    ) -> Float[Array, ""]:
        """Inside minus outside pressure (mmHg) at a volume (mL)."""


class AbstractConnection(eqx.Module):
    """A path of blood from ``source`` to ``target``, compartments by name.

    ``state`` is the connection's own state (``()`` where it has none).
    """

    source: eqx.AbstractVar[str]
    target: eqx.AbstractVar[str]

    @abc.abstractmethod
    def initial_state(self) -> PyTree:
        """The connection's own state at the start of a run."""

    @abc.abstractmethod
    def flow(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> Float[Array, ""]:
        """Flow from source to target (mL/s)."""

    @abc.abstractmethod
    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        """Rate of change of the connection's own state."""


class AbstractMemoryless(AbstractConnection):
    """A connection without a state of its own: a resistance, a diode, a hole."""

    def initial_state(self) -> PyTree:
        return ()

    def derivative(
        self, pressure_difference: Float[Array, ""], state: PyTree
    ) -> PyTree:
        return ()
