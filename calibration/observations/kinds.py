"""What can be observed, read from the catalogue: nothing here is a list by hand.

Everything asks the catalogue when it is called, so that an entry is known everywhere.
"""

from calibration.observations.catalogue import KINDS as KINDS
from calibration.observations.entry import (
    METHODS as METHODS,
)
from calibration.observations.entry import (
    ROLES as ROLES,
)
from calibration.observations.entry import (
    SITES as SITES,
)
from calibration.observations.entry import (
    UNITS as UNITS,
)
from calibration.observations.entry import Healthy, ModelError
from calibration.observations.entry import (
    Kind as Kind,
)
from calibration.observations.entry import (
    Quantity as Quantity,
)

#: The model's own error of a recorded wave's samples, by its quantity (judgement).
_WAVES = {
    "pressure": ModelError(2.0, 0.0),
    "flow": ModelError(10.0, 0.05),
    "volume": ModelError(3.0, 0.05),
    # a front whose curvature, and whose velocity inside a region, an eikonal map
    # leaves out: share of the map's range
    "activation_time": ModelError(1.0, 0.02),
}


def default_discrepancy(kind: str, site: str, value: float) -> float:
    """The model's own sd for a kind of observation at a site, in its unit.

    ``pressure.systemic_arteries`` and the like have that of their quantity. Raises
    ``ValueError`` for what is in no catalogue: an error of 0 would be a claim.
    """
    quantity = kind.split(".")[0]
    if quantity in _WAVES:
        return _WAVES[quantity].sd(value)
    if kind not in KINDS:
        raise ValueError(
            f"{kind!r} is not in the catalogue of measurements, so nothing is known of "
            "the model's own error. Type discrepancy_sd=..., in its unit."
        )
    more = (KINDS[kind].site_sd or {}).get(site, 0.0)
    return (KINDS[kind].discrepancy.sd(value) ** 2 + more**2) ** 0.5


def arterial(kind: str) -> bool:
    """Whether a kind is measured at a site of the arterial tree."""
    return kind in KINDS and KINDS[kind].arterial


def derived(kind: str) -> str | None:
    """Why a kind is only ever a check; None where it may be fitted."""
    return KINDS[kind].derived if kind in KINDS else None


def index_of(kind: str) -> str:
    """The index of a beat that a kind is compared with."""
    return (KINDS[kind].index if kind in KINDS else None) or kind


def _of_index(name: str) -> Kind | None:
    """The entry of a kind, or of the kind that is compared with an index."""
    if name in KINDS:
        return KINDS[name]
    return next((about for about in KINDS.values() if about.index == name), None)


def title(name: str) -> str | None:
    """What the report calls a kind or the index it reads; None for another index."""
    about = _of_index(name)
    return about.title if about else None


def healthy(name: str) -> Healthy | None:
    """The range of healthy adults for a kind or the index it reads."""
    about = _of_index(name)
    return about.healthy if about else None


def cards() -> tuple[str, ...]:
    """The indices on top of a report, in their order."""
    chosen = [k for k in KINDS.values() if k.card is not None and k.index]
    ranked = sorted(chosen, key=lambda about: about.card or 0)
    return tuple(str(about.index) for about in ranked)


def aliases() -> dict[str, str]:
    """What people type for a kind, so that a message can name it."""
    return {word: kind for kind, about in KINDS.items() for word in about.aliases}


def ordered() -> tuple[tuple[str, str], ...]:
    """Pairs of kinds of which the first is always the smaller."""
    return tuple((low, high) for low, about in KINDS.items() for high in about.below)


def read_off(signal: str) -> tuple[str, ...]:
    """The kinds that a recorded waveform also holds."""
    return tuple(kind for kind, about in KINDS.items() if about.signal == signal)
