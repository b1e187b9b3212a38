"""What was measured in a patient: numbers and whole waveforms, each with its errors.

Two errors count against a model: that of the measurement (``sd``) and that of the
model itself (``discrepancy_sd``: the heart is not a lumped circuit), added in
quadrature. An observation is a term of the ``likelihood`` or only a ``check`` on the
posterior's prediction; what is computed from other observations is always a check.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from calibration.priors import number

ROLES = ("likelihood", "check")
SITES = ("", "aortic", "radial", "brachial", "femoral", "cuff")
ARTERIAL = (
    "systolic_pressure",
    "diastolic_pressure",
    "mean_pressure",
    "pulse_pressure",
)

#: Computed by the monitor from other numbers: never a term of the likelihood.
DERIVED = ("systemic_resistance", "pulmonary_resistance", "transpulmonary_gradient")

#: Groups that hold one measurement: SV = CO / HR, CI = CO / BSA, and so on; of each
#: group the first that is present enters the likelihood.
_ONE_OF = (
    ("cardiac_output", "cardiac_index", "stroke_volume", "stroke_volume_index"),
    ("lv_end_systolic_volume", "lv_ejection_fraction"),
)

#: Default sd of the model's own error, (absolute, share of the value). Judgement of
#: this project, from what a four-chamber lumped loop leaves out: wave travel in the
#: aorta (systolic, diastolic, pulse pressure), respiration and posture (right-sided
#: pressures), geometry of chambers (volumes), the linear end-systolic relation
#: (ejection fraction, dP/dt), flow-dependent losses (gradients).
DISCREPANCY_SD: dict[str, tuple[float, float]] = {
    "heart_rate": (0.0, 0.0),
    "systolic_pressure": (2.0, 0.0),
    "diastolic_pressure": (1.5, 0.0),
    "mean_pressure": (0.5, 0.0),
    "pulse_pressure": (2.5, 0.0),
    "central_venous_pressure": (0.5, 0.0),
    "pulmonary_systolic_pressure": (2.0, 0.0),
    "pulmonary_diastolic_pressure": (1.0, 0.0),
    "pulmonary_mean_pressure": (1.0, 0.0),
    "wedge_pressure": (1.0, 0.0),
    "cardiac_output": (0.0, 0.02),
    "cardiac_index": (0.0, 0.02),
    "stroke_volume": (0.0, 0.02),
    "stroke_volume_index": (0.0, 0.02),
    "lv_end_diastolic_volume": (0.0, 0.05),
    "lv_end_systolic_volume": (0.0, 0.08),
    "lv_ejection_fraction": (2.0, 0.0),
    "rv_end_diastolic_volume": (0.0, 0.06),
    "rv_ejection_fraction": (3.0, 0.0),
    "la_maximum_volume": (0.0, 0.10),
    "lv_end_diastolic_pressure": (1.5, 0.0),
    "lv_dpdt_max": (0.0, 0.10),
    "aortic_valve_mean_gradient": (1.5, 0.05),
    "aortic_valve_peak_gradient": (3.0, 0.08),
    "aortic_valve_area": (0.0, 0.08),
    "pressure": (2.0, 0.0),
    "flow": (10.0, 0.05),
    "volume": (3.0, 0.05),
}

#: More sd (mmHg) where an arterial pressure comes through a transfer element whose
#: amplification is not the patient's own. Systolic: the spread of brachial systolic
#: amplification is 9 mmHg (Bui 2023, 10.1038/s41440-023-01311-0) in coronary
#: patients, that of carotid-to-radial pulse pressure 13 % (Segers 2009,
#: 10.1161/HYPERTENSIONAHA.109.133009); half of it is taken as not the heart's.
#: Cuff: sd of cuff minus invasive systolic 12 mmHg (Bui 2023), of which the record's
#: sd of 8 is the device's own.
_SITE_SD = {
    "radial": (4.0, 1.5, 0.5),
    "brachial": (3.0, 1.5, 0.5),
    "femoral": (4.0, 2.0, 0.5),
    "cuff": (6.0, 4.0, 3.0),
}


def default_discrepancy(kind: str, site: str, value: float) -> float:
    """The model's own sd for a kind of observation at a site, in its unit.

    ``pressure.systemic_arteries`` and the like take the row ``pressure``. A kind
    that is not in the table has none (0).
    """
    absolute, share = DISCREPANCY_SD.get(kind.split(".")[0], (0.0, 0.0))
    own = (absolute**2 + (share * value) ** 2) ** 0.5
    systolic, diastolic, mean = _SITE_SD.get(site, (0.0, 0.0, 0.0))
    more = {
        "systolic_pressure": systolic,
        "diastolic_pressure": diastolic,
        "mean_pressure": mean,
        "pulse_pressure": (systolic**2 + diastolic**2) ** 0.5,
    }
    return (own**2 + more.get(kind, 0.0) ** 2) ** 0.5


def _check(observation: Any, name: str) -> None:
    if observation.role not in ROLES:
        raise ValueError(f"{name}: role={observation.role!r}; it is one of {ROLES}.")
    if observation.site not in SITES:
        raise ValueError(f"{name}: site={observation.site!r}; it is one of {SITES}.")
    if not bool(jnp.all(jnp.isfinite(jnp.asarray(observation.values)))):
        raise ValueError(f"{name}: a value is not finite. Leave it out.")
    if not bool(jnp.isfinite(observation.sd) & (observation.sd > 0.0)):
        raise ValueError(
            f"{name}: sd={float(observation.sd)}; a measurement's standard deviation "
            "is a positive number."
        )
    if not bool(observation.discrepancy_sd >= 0.0):
        raise ValueError(f"{name}: discrepancy_sd must be 0 or more.")


class Observation(eqx.Module):
    """One measured number.

    ``kind`` is a key of the experiment's features (``systolic_pressure``,
    ``cardiac_output``, ...), in whose ``unit`` value and sd are. ``site`` is where an
    arterial pressure was taken: away from the aorta it passes a transfer element.
    ``discrepancy_sd=None`` takes the default of the kind. What is compared with the
    value is ratio x simulated + bias: 1 and 0 unless a learned discrepancy says
    otherwise (``calibration.discrepancy``).
    """

    kind: str = eqx.field(static=True)
    value: Array = eqx.field(converter=number)
    sd: Array = eqx.field(converter=number)
    unit: str = eqx.field(static=True)
    site: str = eqx.field(static=True)
    discrepancy_sd: Array
    role: str = eqx.field(static=True)
    ratio: Array
    bias: Array

    def __init__(
        self,
        kind: str,
        value: ArrayLike,
        sd: ArrayLike,
        unit: str,
        site: str = "",
        discrepancy_sd: ArrayLike | None = None,
        role: str | None = None,
        *,
        ratio: ArrayLike = 1.0,
        bias: ArrayLike = 0.0,
    ):
        """``role=None``: a check for what is derived, else a likelihood term."""
        self.kind, self.unit, self.site = kind, unit, site
        self.value, self.sd = number(value), number(sd)
        self.ratio, self.bias = number(ratio), number(bias)
        if discrepancy_sd is None:
            discrepancy_sd = default_discrepancy(kind, site, float(self.value))
        self.discrepancy_sd = number(discrepancy_sd)
        self.role = role or ("check" if kind in DERIVED else "likelihood")
        _check(self, self.label)
        if self.kind in DERIVED and self.role == "likelihood":
            raise ValueError(
                f"{kind} is computed from other measurements: it can be a check "
                'only. Type role="check".'
            )
        if site and kind not in ARTERIAL:
            raise ValueError(f"{kind} has no site; {site!r} was given.")

    @property
    def label(self) -> str:
        """Its name in results: ``systolic_pressure@radial``."""
        return f"{self.kind}@{self.site}" if self.site else self.kind

    def observed(self, simulated: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """What is expected of the measurement where the model has ``simulated``."""
        return self.ratio * simulated + self.bias

    @property
    def values(self) -> Float[Array, "*shape"]:
        """The measured value."""
        return self.value

    @property
    def total_sd(self) -> Float[Array, ""]:
        """Measurement and model error together."""
        return jnp.sqrt(self.sd**2 + self.discrepancy_sd**2)

    @property
    def weight(self) -> Float[Array, ""]:
        """What a residual in sd is multiplied with in the likelihood."""
        return jnp.ones(())


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
    def total_sd(self) -> Float[Array, ""]:
        """Measurement and model error of one sample together."""
        return jnp.sqrt(self.sd**2 + self.discrepancy_sd**2)

    @property
    def weight(self) -> Float[Array, ""]:
        """What a residual in sd is multiplied with in the likelihood."""
        return jnp.sqrt(jnp.minimum(1.0, self.independent / self.t.size))


Observations = tuple[Observation | Waveform, ...]


def as_check(observation: Observation) -> Observation:
    """The same observation, as a check on the prediction only."""
    return Observation(
        observation.kind, observation.value, observation.sd, observation.unit,
        observation.site, observation.discrepancy_sd, "check",
        ratio=observation.ratio, bias=observation.bias,
    )  # fmt: skip


def _dependent(observations: Observations) -> dict[str, str]:
    """Labels of likelihood terms that other terms imply, and by what."""
    terms = [o for o in observations if o.role == "likelihood"]
    kinds = {o.kind for o in terms}
    implied: dict[str, str] = {}
    for group in _ONE_OF:
        present = [kind for kind in group if kind in kinds]
        if "lv_ejection_fraction" in group and "lv_end_diastolic_volume" not in kinds:
            continue
        for o in terms:
            if o.kind in present[1:]:
                implied[o.label] = present[0]
    for o in terms:
        both = {f"{k}@{o.site}" if o.site else k for k in ARTERIAL[:2]}
        if o.kind == "pulse_pressure" and both <= {other.label for other in terms}:
            implied[o.label] = "systolic and diastolic pressure"
    return implied


def independent(observations: Observations) -> Observations:
    """The observations with what others imply turned into checks.

    SV with CO (and heart rate), CI with CO, EF with both LV volumes, pulse pressure
    with systolic and diastolic: of each group one measurement stays.
    """
    implied = _dependent(tuple(observations))
    return tuple(
        as_check(o) if isinstance(o, Observation) and o.label in implied else o
        for o in observations
    )


def require_independent(observations: Observations) -> None:
    """Raise ``ValueError`` where one measurement would count twice, or none counts."""
    if not any(o.role == "likelihood" for o in observations):
        raise ValueError("No observation has role='likelihood': nothing to fit.")
    labels = [o.label for o in observations]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise ValueError(
            f"Given twice: {', '.join(sorted(twice))}. Average them, or leave one out."
        )
    implied = _dependent(observations)
    if implied:
        told = "; ".join(f"{label} follows from {by}" for label, by in implied.items())
        raise ValueError(
            f"One measurement would count twice: {told}. "
            "Type: observations = calibration.independent(observations)"
        )


def failing(residuals: Float[Array, "..."], limit: float = 2.0) -> Bool[Array, "..."]:
    """Whether a residual in sd is larger than ``limit``."""
    return jnp.abs(residuals) > limit
