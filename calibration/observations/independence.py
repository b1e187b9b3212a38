"""Which observations say the same thing, so that none is counted twice."""

from calibration.observations.kinds import _ONE_OF, ARTERIAL
from calibration.observations.maps import ActivationMap
from calibration.observations.numbers import Observation
from calibration.observations.waveforms import Waveform

Observations = tuple[Observation | Waveform | ActivationMap, ...]


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
