"""A map of activation: when the wave passed each of many electrodes."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from calibration.observations.kinds import default_discrepancy
from calibration.observations.numbers import _check
from calibration.parameters.priors import number

KIND = "activation_time"


class ActivationMap(eqx.Module):
    """Local activation times (ms) at electrodes of the experiment.

    ``electrodes`` are the numbers of those that were annotated, in the experiment's
    order; all of them if not given. Times count from where the sites' onsets do: with
    a reference of its own (a coronary sinus electrogram) one onset is left free.

    ``sd`` (ms) is that of the annotation. Against experts, steepest slopes and
    templates of an electrode array err by 2.0 ms in sinus rhythm and 6.0 ms in
    fibrillation (Alcaine 2016, 10.1016/j.dsp.2016.04.002); an expert's own, point by
    point during a procedure, by 6.8 ms against the same map annotated at leisure
    (Alcaine 2014, IEEE Trans Biomed Eng 61:2830).

    The model's own error is shared by electrodes side by side: ``n`` of them count as
    ``independent`` ones (default 50, judgement: one a square centimetre of a chamber's
    wall) in the likelihood, so that a map of thousands does not claim a certainty that
    the model has not.
    """

    values: Float[Array, " n_electrode"]
    sd: Array
    electrodes: Int[Array, " n_electrode"]
    discrepancy_sd: Array
    independent: Array
    role: str = eqx.field(static=True)
    label: str = eqx.field(static=True)
    kind: ClassVar[str] = KIND
    unit: ClassVar[str] = "ms"
    site: ClassVar[str] = ""  # an artery's; a map's places are its electrodes
    nuisances: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        values: ArrayLike,
        sd: ArrayLike,
        electrodes: ArrayLike | None = None,
        *,
        discrepancy_sd: ArrayLike | None = None,
        independent: float = 50.0,
        role: str = "likelihood",
        label: str = KIND,
    ):
        self.values = jnp.asarray(values, jnp.result_type(float))
        self.sd, self.independent = number(sd), number(independent)
        self.role, self.label = role, label
        if self.values.ndim != 1 or self.values.size < 1:
            raise ValueError(
                f"{label}: one time (ms) for each electrode is wanted; got shape "
                f"{self.values.shape}."
            )
        silent = np.flatnonzero(~np.isfinite(np.asarray(self.values)))
        if silent.size:
            raise ValueError(
                f"{label}: {silent.size} of {self.values.size} times are not numbers, "
                f"the first that of electrode {silent[0]}. Leave them out. Type: "
                "ActivationMap(times[good], sd, np.flatnonzero(good))"
            )
        self.electrodes = _numbers(label, self.values.size, electrodes)
        spread = float(jnp.max(self.values) - jnp.min(self.values))
        if discrepancy_sd is None:
            discrepancy_sd = default_discrepancy(KIND, "", spread)
        self.discrepancy_sd = number(discrepancy_sd)
        _check(self, label)
        if not bool(self.independent > 0.0):
            raise ValueError(f"{label}: independent must be above 0.")

    @property
    def total_sd(self) -> Float[Array, ""]:
        """Annotation and model error of one electrode together (ms)."""
        return jnp.sqrt(self.sd**2 + self.discrepancy_sd**2)

    @property
    def weight(self) -> Float[Array, ""]:
        """What a residual in sd is multiplied with in the likelihood."""
        return jnp.sqrt(jnp.minimum(1.0, self.independent / self.values.size))


def _numbers(label: str, n: int, given: ArrayLike | None) -> Int[Array, " n"]:
    """The electrodes' numbers; ``ValueError`` where they do not fit the times."""
    if given is None:
        return jnp.arange(n)
    electrodes = np.asarray(given)
    whole = np.issubdtype(electrodes.dtype, np.integer)
    if electrodes.shape != (n,) or not whole or electrodes.min() < 0:
        raise ValueError(
            f"{label}: electrodes are {n} whole numbers from 0, one for each time; "
            f"got {electrodes.dtype} of shape {electrodes.shape}."
        )
    found, counts = np.unique(electrodes, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{label}: electrode {found[counts > 1][0]} has two times. Average them, "
            "or leave one out."
        )
    return jnp.asarray(electrodes)
