"""A recorded waveform, aligned and compared with the simulated one."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from calibration.observations.kinds import default_discrepancy
from calibration.observations.numbers import _check
from calibration.parameters.priors import number


class Waveform(eqx.Module):
    """One measured beat of a pressure, flow or volume.

    ``kind`` is ``pressure.systemic_arteries``, ``flow.aortic_valve``,
    ``volume.left_ventricle``: a quantity and an element's name. ``t`` (s) lies within
    one heart ``period`` (s); the model's beat is compared at the same phase.
    predicted(t) = model(t - shift) + offset, with ``shift`` (s) and ``offset`` (the
    kind's unit) given as numbers, or free: the name of a nuisance of the Space.
    With a ``site`` the aorta's pressure passes a transfer element first.

    Samples of one beat are not independent: a beat holds about ten harmonics, so n
    samples count as ``independent`` ones (default 20) in the likelihood.
    """

    kind: str = eqx.field(static=True)
    t: Float[Array, " n_t"]
    values: Float[Array, " n_t"]
    sd: Array
    period: Array
    unit: str = eqx.field(static=True)
    site: str = eqx.field(static=True)
    shift: Array | str
    offset: Array | str
    discrepancy_sd: Array
    independent: Array
    role: str = eqx.field(static=True)

    def __init__(
        self,
        kind: str,
        t: ArrayLike,
        values: ArrayLike,
        sd: ArrayLike,
        period: ArrayLike,
        unit: str = "mmHg",
        site: str = "",
        *,
        shift: ArrayLike | str = 0.0,
        offset: ArrayLike | str = 0.0,
        discrepancy_sd: ArrayLike | None = None,
        independent: float = 20.0,
        role: str = "likelihood",
    ):
        self.kind, self.unit, self.site, self.role = kind, unit, site, role
        self.t = jnp.asarray(t, jnp.result_type(float))
        self.values = jnp.asarray(values, jnp.result_type(float))
        self.sd, self.period = number(sd), number(period)
        self.shift = shift if isinstance(shift, str) else number(shift)
        self.offset = offset if isinstance(offset, str) else number(offset)
        self.independent = number(independent)
        quantity = kind.split(".")[0]
        if quantity not in ("pressure", "flow", "volume") or "." not in kind:
            raise ValueError(
                f"A waveform's kind is such as 'pressure.systemic_arteries'; got "
                f"{kind!r}."
            )
        if self.t.ndim != 1 or self.t.shape != self.values.shape or self.t.size < 8:
            raise ValueError(
                f"{kind}: at least 8 times and as many values are wanted; got shapes "
                f"{self.t.shape} and {self.values.shape}."
            )
        spread = float(jnp.max(self.values) - jnp.min(self.values))
        if discrepancy_sd is None:
            discrepancy_sd = default_discrepancy(kind, site, spread)
        self.discrepancy_sd = number(discrepancy_sd)
        _check(self, self.label)
        length = float(self.t[-1] - self.t[0])
        if not bool(jnp.all(jnp.diff(self.t) > 0.0)) or length > float(self.period):
            raise ValueError(
                f"{kind}: times must rise and lie within one period of "
                f"{float(self.period):g} s; they run over {length:g} s."
            )

    @property
    def label(self) -> str:
        """Its name in results: ``pressure.systemic_arteries@radial``."""
        return f"{self.kind}@{self.site}" if self.site else self.kind

    @property
    def nuisances(self) -> tuple[str, ...]:
        """Names it leaves free, of the Space's nuisances: shift and offset."""
        return tuple(x for x in (self.shift, self.offset) if isinstance(x, str))

    @property
    def total_sd(self) -> Float[Array, ""]:
        """Measurement and model error of one sample together."""
        return jnp.sqrt(self.sd**2 + self.discrepancy_sd**2)

    @property
    def weight(self) -> Float[Array, ""]:
        """What a residual in sd is multiplied with in the likelihood."""
        return jnp.sqrt(jnp.minimum(1.0, self.independent / self.t.size))
