"""Which observations say the same thing, so that none is counted twice."""

from calibration.observations.maps import ActivationMap
from calibration.observations.numbers import Observation
from calibration.observations.relations import implied, reason
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
    terms = {
        (o.kind, o.site): o.label
        for o in observations
        if o.role == "likelihood" and isinstance(o, Observation)
    }
    found = implied(terms)
    return {terms[term]: reason(term[0], others) for term, others in found.items()}


def independent(observations: Observations) -> Observations:
    """The observations with what others imply turned into checks.

    SV with CO (and heart rate), CI with CO, EF with both volumes of a ventricle, pulse
    pressure with systolic and diastolic at its site: whatever the catalogue's relations
    make a function of the others (``calibration.observations.relations``).
    """
    twice = _dependent(tuple(observations))
    return tuple(
        as_check(o) if isinstance(o, Observation) and o.label in twice else o
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
    again = _dependent(observations)
    if again:
        told = "; ".join(f"{label} {why}" for label, why in again.items())
        raise ValueError(
            f"One measurement would count twice: {told}. "
            "Type: observations = calibration.independent(observations)"
        )
