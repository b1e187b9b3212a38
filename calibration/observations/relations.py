"""Which measurements say nothing new beside others: by rank, from their relations.

Every kind is a function of a few that follow from no other: an ejection fraction of two
volumes, a stroke volume index of the output. Heart rate and size of the body are known.
Measurements are taken in the catalogue's order; one whose derivatives are a combination
of those before it is implied by them.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from calibration.observations.entry import Number
from calibration.observations.kinds import KINDS

#: What a fit takes as it is: no measurement is needed to tell it.
KNOWN = ("heart_rate", "body_surface_area")
_AREA = 1.9  # m^2: where derivatives are taken, as the entries' examples
_NOTHING = 1e-9  # a derivative of formulas in double precision
_STEP = 1e-20  # of a complex step: exact to rounding


def leaves(kind: str) -> tuple[str, ...]:
    """What a kind is a function of at last, itself if it follows from no other."""
    relation = KINDS[kind].relation if kind in KINDS else None
    if relation is None:
        return (kind,)
    return tuple(dict.fromkeys(leaf for one in relation.of for leaf in leaves(one)))


def value(kind: str, at: Mapping[str, Number]) -> Number:
    """A kind computed from the values of its leaves."""
    relation = KINDS[kind].relation if kind in KINDS else None
    if relation is None:
        return at[kind]
    return relation.formula(*(value(one, at) for one in relation.of))


def expected(
    kind: str, values: Mapping[str, float], sds: Mapping[str, float]
) -> tuple[float, float] | None:
    """What the others make of a kind, and its sd; None where they are not all given.

    Only identities: a rule of thumb expects nothing. ``values`` and ``sds`` by kind and
    in its unit; the sd of what is missing in ``sds`` is 0.
    """
    relation = KINDS[kind].relation
    if relation is None or relation.within or not set(relation.of) <= set(values):
        return None
    result = complex(relation.formula(*(values[one] for one in relation.of))).real
    variance = 0.0
    for moved in relation.of:
        inputs = (complex(values[k], _STEP * (k == moved)) for k in relation.of)
        slope = complex(relation.formula(*inputs)).imag / _STEP
        variance += (slope * sds.get(moved, 0.0)) ** 2
    return result, variance**0.5


def _slopes(kind: str) -> dict[str, float]:
    """d ln(kind) / d ln(leaf), without the leaves that are known."""
    names = leaves(kind)
    typical = {n: KINDS[n].example if n in KINDS else 1.0 for n in names}
    typical |= {"body_surface_area": _AREA} if "body_surface_area" in names else {}
    found = {}
    for name in names:
        if name in KNOWN:
            continue
        moved = {n: complex(x, x * _STEP * (n == name)) for n, x in typical.items()}
        result = complex(value(kind, moved))
        found[name] = result.imag / _STEP / result.real
    return found


def _labelled(kind: str, site: str) -> dict[str, float]:
    return {
        f"{leaf}@{site or 'aortic'}"
        if leaf in KINDS and KINDS[leaf].arterial
        else leaf: slope
        for leaf, slope in _slopes(kind).items()
    }


def _order(kind: str) -> int:
    return list(KINDS).index(kind) if kind in KINDS else len(KINDS)


def implied(
    terms: Iterable[tuple[str, str]], first: Iterable[str] = ()
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Which (kind, site) others imply, and the kinds that do.

    Those in ``first`` are kept before the others.
    """
    wanted = tuple(first)
    given = sorted(
        dict.fromkeys(terms), key=lambda t: (t[0] not in wanted, _order(t[0]))
    )
    rows = {term: _labelled(*term) for term in given}
    names = sorted({leaf for row in rows.values() for leaf in row})
    kept: list[tuple[str, str]] = []
    found = {}
    for term in given:
        row = np.array([rows[term].get(name, 0.0) for name in names])
        if not row.any():  # known: the heart rate
            continue
        base = np.array([[rows[k].get(name, 0.0) for name in names] for k in kept])
        base = base.reshape(len(kept), len(names))
        share, *_ = np.linalg.lstsq(base.T, row, rcond=None)
        if np.abs(row - share @ base).max() > _NOTHING:
            kept.append(term)
            continue
        found[term] = tuple(
            kept[k][0] for k in np.flatnonzero(np.abs(share) > _NOTHING)
        )
    return found


def reason(kind: str, others: tuple[str, ...]) -> str:
    """Why a kind says nothing beside others, in words."""
    told = [KINDS[k].relation for k in (kind, *others) if k in KINDS]
    words = [relation.words for relation in told if relation and relation.words]
    return " ".join((f"follows from {' and '.join(others)}", *words[:1]))
