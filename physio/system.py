"""What every model and every run looks like.

A **system** is an ``eqx.Module`` whose fields are its physical parameters. Its rate
of change is split in two: ``forcing`` is what depends on time alone (activation,
lung volume), ``rate`` the rest, so that a fixed-step run tabulates the first once,
outside its loop.
"""

import abc

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, PyTree

State = PyTree
Inputs = PyTree


class AbstractSystem(eqx.Module):
    """Ordinary differential equations dy/dt = f(t, y, inputs) with named states."""

    @abc.abstractmethod
    def initial_state(self) -> State:
        """Where a run starts that is given no ``y0``."""

    @abc.abstractmethod
    def forcing(self, t: Float[Array, ""], inputs: Inputs) -> PyTree:
        """What the rate needs that depends on time alone (``()`` where nothing)."""

    @abc.abstractmethod
    def rate(
        self, forcing: PyTree, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> State:
        """dy/dt, given the forcing at this time."""

    @abc.abstractmethod
    def observe(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        """The quantities a user can look at, at one time."""

    def vector_field(self, t: Float[Array, ""], y: State, inputs: Inputs) -> State:
        """dy/dt = f(t, y, inputs)."""
        return self.rate(self.forcing(t, inputs), t, y, inputs)


class AbstractBeating(AbstractSystem):
    """A system driven by a heart beat, whose steps are counted per beat."""

    @abc.abstractmethod
    def beat_times(self, steps: int, beat: Int[Array, ""]) -> Float[Array, " n_t"]:
        """``steps + 1`` times over one beat, points on the activation corners."""


class AbstractRegulated(AbstractBeating):
    """A beating system with a quasi-static regulator, such as the baroreflex.

    The regulator sees means over a beat (``sensed``) and answers with changed
    parameters (``regulated``); its ``unknowns`` are solved for together with the
    periodic state, so that ``balance`` vanishes. Without a regulator ``unknowns``
    is ``()``.
    """

    @abc.abstractmethod
    def unknowns(self) -> PyTree:
        """Algebraic unknowns of the periodic state, and where to start them."""

    @abc.abstractmethod
    def regulated(self, unknowns: PyTree) -> "AbstractRegulated":
        """The system with the regulator's effect frozen at these unknowns."""

    @abc.abstractmethod
    def sensed(
        self, forcing: PyTree, t: Float[Array, ""], y: State, inputs: Inputs
    ) -> PyTree:
        """What the regulator averages over a beat (``()`` without a regulator)."""

    @abc.abstractmethod
    def balance(self, means: PyTree, unknowns: PyTree) -> PyTree:
        """What must vanish for the unknowns, given the sensed beat means."""


class AbstractStepper(eqx.Module):
    """A model advanced by its own step (tissue: operator splitting)."""

    @abc.abstractmethod
    def initial_state(self) -> State:
        """Where a run starts that is given no ``y0``."""

    @abc.abstractmethod
    def prepare(self, dt: float) -> PyTree:
        """What a run computes once: the operator."""

    @abc.abstractmethod
    def step(
        self, prepared: PyTree, t: Float[Array, ""], y: State, dt: float, inputs: Inputs
    ) -> State:
        """The state one step later."""

    @abc.abstractmethod
    def observe(self, t: Float[Array, ""], y: State, inputs: Inputs) -> PyTree:
        """The quantities a user can look at, at one time."""


class Trajectory(eqx.Module):
    """What a run returns: times, states, observed quantities, and whether it is sound.

    ``ok`` is False where a value is not finite or a solver stopped early. ``within``
    (first axis n_t) is 1 where every learned part of the model was inside the range it
    was learned in, less outside of it, 0 where the mechanistic model answered alone;
    None where nothing is learned.
    """

    t: Float[Array, " n_t"]
    y: State
    observed: PyTree
    ok: Bool[Array, ""]
    within: Float[Array, "n_t *node"] | None = None


class Periodic(eqx.Module):
    """The periodic state of a beating system.

    ``system`` has the regulator's effect frozen in; ``state`` is its state at the
    start of a beat; ``residual`` the largest change over one beat (mL, mL/s, mmHg);
    ``iterations`` the Newton steps taken, those tried and halved not counted.
    """

    system: AbstractRegulated
    state: State
    unknowns: PyTree
    residual: Float[Array, ""]
    iterations: Int[Array, ""]
    ok: Bool[Array, ""]
