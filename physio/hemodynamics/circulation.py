"""The circulation: a graph of chambers, vessels and valves with a beating heart.

Every compartment holds a volume; every connection carries a flow from one to
another, dV/dt = flows in - flows out. Total blood volume is a parameter and one
compartment (``implied``) holds what the others do not: with all volumes free the map
of a beat has an eigenvalue of exactly 1 and implicit derivatives are silently wrong.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from physio.hemodynamics.control.baroreflex import Baroreflex
from physio.hemodynamics.coupling import Pericardium, Septum
from physio.hemodynamics.elements.chambers import AbstractActivation
from physio.hemodynamics.elements.devices import EndExpiratoryPressure
from physio.hemodynamics.elements.element import AbstractCompartment, AbstractConnection
from physio.hemodynamics.elements.valves import BLOOD_DENSITY
from physio.inputs import AbstractSchedule
from physio.interventions import scale, shift, then
from physio.parameters import TRANSPARENT, param
from physio.rhythm import TYPICAL_ONSET, AbstractRhythm, corner_grid, dealt_grid
from physio.system import AbstractRegulated
from physio.units import DYN_PER_CM2_PER_MMHG

# Hydrostatic pressure of blood per centimetre of height, mmHg/cm
HYDROSTATIC = BLOOD_DENSITY * 980.665 / DYN_PER_CM2_PER_MMHG
# How far the carotid sinus, where pressure is sensed, lies above the heart: anatomy, cm
CAROTID_HEIGHT = 25.0


class CirculationState(eqx.Module):
    """Volumes of all compartments but the implied one (mL); the elements' states."""

    volume: dict[str, Array]
    connection: dict[str, PyTree]
    rhythm: PyTree


class CirculationObservables(eqx.Module):
    """Pressures (mmHg) and volumes (mL) of every compartment, flows (mL/s) by
    connection, and the pleural pressure (mmHg)."""

    pressure: dict[str, Array]
    volume: dict[str, Array]
    flow: dict[str, Array]
    pleural: Array


class CirculationInputs(eqx.Module):
    """What acts on a circulation in time; ``None`` where nothing does.

    ``ventilation``: pleural and transpulmonary pressure (mmHg);
    ``tilt``: head-up tilt (rad); ``infused``: blood volume added so far (mL).
    """

    ventilation: AbstractSchedule | None = None
    tilt: AbstractSchedule | None = None
    infused: AbstractSchedule | None = None


class Forcing(eqx.Module):
    """What the circulation's rate needs that depends on time alone."""

    activations: dict[str, Array] | None
    surroundings: tuple[Array, Array] | None
    tilt: Array | None
    infused: Array | None


class Circulation(AbstractRegulated):
    """Compartments, connections, a rhythm, and what couples them.

    The names of compartments and connections are the model's own: a connection
    ``systemic`` has ``systemic.resistance``. ``reflex_acts_on`` names the reflex's
    effectors: resistance, left and right elastance, unstressed volume, and the
    compartment whose mean pressure is sensed, at the height of the carotid sinus.
    Raises ``ValueError`` where a name is used twice, a connection leads nowhere or a
    chamber has no activation.
    """

    rhythm: AbstractRhythm
    activations: dict[str, AbstractActivation] = eqx.field(metadata=TRANSPARENT)
    compartments: dict[str, AbstractCompartment] = eqx.field(metadata=TRANSPARENT)
    connections: dict[str, AbstractConnection] = eqx.field(metadata=TRANSPARENT)
    blood_volume: Array = param(
        5000.0, unit="mL", source="about 7 % of body mass, ICSH 1995",
        doc="all blood, stressed and unstressed",
    )  # fmt: skip
    reflex: Baroreflex | None = None
    pericardium: Pericardium | None = None
    septum: Septum | None = None
    airway: EndExpiratoryPressure | None = None
    implied: str = eqx.field(static=True, default="systemic_veins")
    reflex_acts_on: tuple[str, str, str, str, str] = eqx.field(
        static=True,
        default=(
            "systemic.resistance",
            "left_ventricle.active_elastance",
            "right_ventricle.active_elastance",
            "systemic_veins.unstressed_volume",
            "systemic_arteries",
        ),
    )

    def __check_init__(self) -> None:
        names = [*self.activations, *self.compartments, *self.connections]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    f"Two elements of the circulation are called {name!r}."
                )
        for name, connection in self.connections.items():
            for end in (connection.source, connection.target):
                if end not in self.compartments:
                    raise ValueError(
                        f"{name} connects to {end!r}, which is not a compartment; "
                        f"there are {', '.join(self.compartments)}."
                    )
        for name, part in {**self.compartments, **self.connections}.items():
            driver = getattr(part, "activation", None)
            if driver is not None and driver not in self.activations:
                raise ValueError(f"{name} has no activation {driver!r}.")
        if self.implied not in self.compartments:
            raise ValueError(
                f"The implied compartment {self.implied!r} does not exist."
            )

    # --- the system -------------------------------------------------------------
    def initial_state(self) -> CirculationState:
        volume = {
            name: compartment.start_volume
            for name, compartment in self.compartments.items()
            if name != self.implied
        }
        own = {name: link.initial_state() for name, link in self.connections.items()}
        return CirculationState(volume, own, self.rhythm.initial_state())

    def _activations(self, t: Array, rhythm_state: PyTree) -> dict[str, Array]:
        timing = self.rhythm.timing(t, rhythm_state)
        return {
            name: law(timing[law.follows]) for name, law in self.activations.items()
        }

    def forcing(self, t: Float[Array, ""], inputs: Any) -> Forcing:
        world = CirculationInputs() if inputs is None else inputs
        tabulated = not self.rhythm.carries_state
        around = None if world.ventilation is None else world.ventilation(t)
        if self.airway is not None:
            held = self.airway.surroundings()
            around = held if around is None else jax.tree.map(jnp.add, held, around)
        return Forcing(
            activations=self._activations(t, ()) if tabulated else None,
            surroundings=around,
            tilt=None if world.tilt is None else jnp.sin(world.tilt(t)),
            infused=None if world.infused is None else world.infused(t),
        )

    def volumes(self, forcing: Forcing, y: CirculationState) -> dict[str, Array]:
        """Every compartment's volume, the implied one included (mL)."""
        total = self.blood_volume
        if forcing.infused is not None:
            total = total + forcing.infused
        implied = total - sum(y.volume.values())
        return {**y.volume, self.implied: implied}

    def pressures(self, forcing: Forcing, volume: dict[str, Array]) -> dict[str, Array]:
        """Every compartment's pressure against the atmosphere (mmHg)."""
        activations = forcing.activations or {}
        pressure = {
            name: compartment.transmural_pressure(volume[name], activations)
            for name, compartment in self.compartments.items()
        }
        if self.septum is not None:
            pressure = self.septum.couple(pressure)
        if self.pericardium is not None:
            around = self.pericardium.pressure(volume)
            for name in self.pericardium.encloses:
                pressure[name] = pressure[name] + around
        if forcing.surroundings is not None:
            pleural, lung = forcing.surroundings
            for name, compartment in self.compartments.items():
                outside = compartment.pleural_share * pleural
                pressure[name] = (
                    pressure[name] + outside + compartment.lung_share * lung
                )
        for name, compartment in self.compartments.items():
            squeezer = getattr(compartment, "squeezed_by", None)
            if squeezer is not None:
                share = getattr(compartment, "squeeze_share")  # noqa: B009 (optional)
                pressure[name] = pressure[name] + share * pressure[squeezer]
        return pressure

    def _difference(
        self, link: AbstractConnection, forcing: Forcing, pressure: dict[str, Array]
    ) -> Array:
        """What drives a connection: its pressure difference, or a given waveform."""
        waveform = getattr(link, "activation", None)
        if waveform is not None:
            return (forcing.activations or {})[waveform]
        drop = pressure[link.source] - pressure[link.target]
        column = getattr(link, "column", None)
        if forcing.tilt is not None and column is not None:
            drop = drop - HYDROSTATIC * column * forcing.tilt
        return drop

    def full_rate(
        self, forcing: Forcing, volume: dict[str, Array], own: dict[str, PyTree]
    ) -> tuple[dict[str, Array], dict[str, PyTree]]:
        """Rates of change of all volumes, the implied one included, and of the
        connections' own states. Without infusion the volumes' rates sum to zero."""
        pressure = self.pressures(forcing, volume)
        change = {name: jnp.zeros_like(v) for name, v in volume.items()}
        own_change = {}
        for name, link in self.connections.items():
            difference = self._difference(link, forcing, pressure)
            flow = link.flow(difference, own[name])
            change[link.source] = change[link.source] - flow
            change[link.target] = change[link.target] + flow
            own_change[name] = link.derivative(difference, own[name])
        return change, own_change

    def _at(self, forcing: Forcing, t: Array, y: CirculationState) -> Forcing:
        if forcing.activations is not None:
            return forcing
        now = self._activations(t, y.rhythm)
        return Forcing(now, forcing.surroundings, forcing.tilt, forcing.infused)

    def rate(
        self, forcing: Forcing, t: Float[Array, ""], y: CirculationState, inputs: Any
    ) -> CirculationState:
        forcing = self._at(forcing, t, y)
        change, own = self.full_rate(forcing, self.volumes(forcing, y), y.connection)
        del change[self.implied]
        return CirculationState(change, own, self.rhythm.derivative(y.rhythm))

    def observe(
        self, t: Float[Array, ""], y: CirculationState, inputs: Any
    ) -> CirculationObservables:
        forcing = self._at(self.forcing(t, inputs), t, y)
        volume = self.volumes(forcing, y)
        pressure = self.pressures(forcing, volume)
        flow = {
            name: link.flow(
                self._difference(link, forcing, pressure), y.connection[name]
            )
            for name, link in self.connections.items()
        }
        pleural = jnp.zeros_like(self.blood_volume)
        if forcing.surroundings is not None:
            pleural = pleural + forcing.surroundings[0]
        return CirculationObservables(pressure, volume, flow, pleural)

    # --- the beat ---------------------------------------------------------------
    def beat_times(self, steps: int, beat: Int[Array, ""]) -> Float[Array, " n_t"]:
        if self.rhythm.carries_state:
            raise ValueError(
                "This rhythm carries its phase in the state: its beats cannot be "
                "counted ahead. Use march(t, dt=...), or settle with RegularRhythm."
            )
        start, cycle = self.rhythm.span(beat)
        now = self.rhythm.timing(start, ())
        corners, typical, onsets = [], [], []
        for law in self.activations.values():
            after = law.corners(cycle) - now[law.follows].since
            wrapped = after - jnp.floor(after / cycle) * cycle
            onset = TYPICAL_ONSET[law.follows]
            for k, fraction in enumerate(law.typical_corners()):
                # a beat starts with the ventricles: their onset is on the grid
                if law.follows == "ventricles" and k == 0:
                    onsets.append(wrapped[k])
                    continue
                corners.append(wrapped[k])
                typical.append(onset + fraction)
        groups = [law.follows for law in self.activations.values()]
        if len(set(groups)) < len(groups):  # each law may have its own delay
            return dealt_grid(start, cycle, jnp.stack(corners + onsets), steps)
        return corner_grid(start, cycle, jnp.stack(corners), tuple(typical), steps)

    # --- the reflex -------------------------------------------------------------
    def unknowns(self) -> PyTree:
        if self.reflex is None:
            return ()
        return {"mean_pressure": self.reflex.set_point}

    def regulated(self, unknowns: Any) -> "Circulation":
        if self.reflex is None or not unknowns:
            return self
        effects = self.reflex.effects(unknowns["mean_pressure"])
        resistance, left, right, veins, _ = self.reflex_acts_on
        return then(
            scale("rhythm.rate", effects.rate),
            scale(resistance, effects.resistance),
            scale(left, effects.left_elastance),
            scale(right, effects.right_elastance),
            shift(veins, effects.unstressed_volume),
        )(self)

    def sensed(
        self, forcing: Forcing, t: Float[Array, ""], y: CirculationState, inputs: Any
    ) -> PyTree:
        if self.reflex is None:
            return ()
        forcing = self._at(forcing, t, y)
        pressure = self.pressures(forcing, self.volumes(forcing, y))
        sensed = pressure[self.reflex_acts_on[-1]]
        if forcing.tilt is not None:
            sensed = sensed - HYDROSTATIC * CAROTID_HEIGHT * forcing.tilt
        return {"mean_pressure": sensed}

    def balance(self, means: Any, unknowns: Any) -> PyTree:
        return jax.tree.map(jnp.subtract, means, unknowns)
