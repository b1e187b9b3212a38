"""Output, stroke volume, ventricular volumes, ejection fraction and resistance."""

from collections.abc import Iterator
from math import log

from cordax.records.consistency.compare import (
    SAME_TEST,
    TOO_FAR,
    TYPING,
    Contradiction,
    Facts,
    Number,
    apart,
    combined,
)
from cordax.records.consistency.pressures import mean_arterial
from physio.units import DYN_S_CM5_PER_WOOD, ML_PER_L, PERCENT

FLOWS = ("cardiac_output", "cardiac_index", "stroke_volume", "stroke_volume_index")
_LEAKS = ("aortic_regurgitation", "mitral_regurgitation")
#: Where a venous pressure was not measured, mmHg, and its sd: Humbert 2022,
#: 10.1093/eurheartj/ehac237 (2 to 6 in the healthy), wider for the sick.
_VENOUS = (5.0, 3.0)
#: How many times too small a resistance in the wrong unit is.
_MISTAKEN = {
    DYN_S_CM5_PER_WOOD: "Wood units typed as dyn s/cm5",
    1 / DYN_S_CM5_PER_WOOD: "dyn s/cm5 typed as Wood units",
    10.0: "kPa s/L typed as dyn s/cm5, which are ten times as many",
}


def output(facts: Facts, kind: str) -> Number | None:
    """The output (L/min) that one of ``FLOWS`` means; None without size or rate."""
    if not facts.has(kind):
        return None
    number, words = facts.number(kind), facts.number(kind).words
    factor, extra = 1.0, [number.share]
    if kind in ("cardiac_index", "stroke_volume_index"):
        area = facts.record.body_surface_area_m2
        if area is None:
            return None
        factor, words = factor * area, f"{words} x {area:.3g} m2"
    if kind.startswith("stroke"):
        if not facts.has("heart_rate"):
            return None
        rate = facts.number("heart_rate")
        factor *= rate.value / ML_PER_L
        extra.append(rate.share)
        words = f"{words} at {rate.value:g} beats per minute"
    value = number.value * factor
    return Number(value, value * combined(*extra), words)


def _forward(facts: Facts) -> tuple[str, Number] | None:
    """The first flow that gives the blood sent forward a beat (mL)."""
    for kind in FLOWS:
        found = output(facts, kind)
        if found and facts.has("heart_rate"):
            rate = facts.number("heart_rate")
            stroke = found.value * ML_PER_L / rate.value
            words = found.words
            if not kind.startswith("stroke"):
                words += f" at {rate.value:g} beats per minute"
            return kind, Number(stroke, stroke * found.share, words)
    return None


def flows(facts: Facts) -> Iterator[Contradiction]:
    """Cardiac output = heart rate x stroke volume, index x body surface."""
    given = [(kind, found) for kind in FLOWS if (found := output(facts, kind))]
    for kind, other in given[1:]:
        first_kind, first = given[0]
        same = facts.known[kind].method == facts.known[first_kind].method
        share = SAME_TEST if same else combined(first.share, other.share)
        if abs(log(other.value / first.value)) <= TOO_FAR * share:
            continue
        means = f" of {first.value:.3g} L/min" if first_kind != FLOWS[0] else ""
        yield Contradiction(
            facts.key(kind),
            f"{other.words} is an output of {other.value:.3g} L/min, but {first.words}"
            f"{means}: more than {100 * TOO_FAR * share:.0f} % apart (cardiac output = "
            "heart rate x stroke volume)",
            f"Only {first_kind} is fitted. {TYPING}.",
        )


def _strokes(facts: Facts) -> Iterator[tuple[str, Number]]:
    """What a ventricle ejects a beat (mL), whichever way, and from which key."""
    edv, esv, ef = (
        f"lv_{name}"
        for name in ("end_diastolic_volume", "end_systolic_volume", "ejection_fraction")
    )
    if facts.has(edv, esv):
        a, b = facts.number(edv), facts.number(esv)
        words = f"{a.words} - {b.words}"
        yield esv, Number(a.value - b.value, combined(a.sd, b.sd), words)
    elif facts.has(edv, ef):
        yield ef, _ejected(facts, edv, ef)
    if facts.has("rv_end_diastolic_volume", "rv_ejection_fraction"):
        names = ("rv_end_diastolic_volume", "rv_ejection_fraction")
        yield names[1], _ejected(facts, *names)


def _ejected(facts: Facts, volume: str, fraction: str) -> Number:
    a, b = facts.number(volume), facts.number(fraction)
    value = a.value * b.value / PERCENT
    words = f"{a.words} x {b.words}"
    return Number(value, value * combined(a.share, b.share), words)


def strokes(facts: Facts) -> Iterator[Contradiction]:
    """What a ventricle ejects is what goes forward, and more where a valve leaks.

    More than that is lawful with a named regurgitation; the right ventricle's valves
    are not asked, since their leaks have no name here.
    """
    forward = _forward(facts)
    if forward is None:
        return
    flow, sent = forward
    for kind, ejected in _strokes(facts):
        if ejected.value <= 0:
            continue  # volumes in the wrong order have their own message
        far = apart(ejected.value, sent.value, combined(ejected.sd, sent.sd))
        leaks = any(facts.record.has(name) for name in _LEAKS)
        if abs(far) <= TOO_FAR or (far > 0 and (leaks or kind.startswith("rv"))):
            continue
        both = (
            f"{ejected.words} is {ejected.value:.3g} mL a beat, but {sent.words} is "
            f"{sent.value:.3g} mL a beat"
        )
        fix = f'{TYPING}; {flow}_role = "check" leaves the flow out of the fit.'
        if far < 0:
            expected = "a ventricle ejects at least what goes forward"
        else:
            expected = (
                "the same is expected, unless "
                f"{ejected.value - sent.value:.3g} mL leak back through a valve"
            )
            fix = (
                'Type condition = "mitral_regurgitation" or "aortic_regurgitation" if '
                f"a valve leaks. {fix}"
            )
        yield Contradiction(
            facts.key(kind), f"{both}: {expected} ({abs(far):.1f} sd apart)", fix
        )


def ejection(facts: Facts) -> Iterator[Contradiction]:
    """EF = (EDV - ESV) / EDV.

    The two volumes of one study are wrong together (the same border, the same plane),
    so their ratio has the error of an ejection fraction, not that of both volumes:
    Grothues 2002, 10.1016/S0002-9149(02)02381-0, table 3.
    """
    names = ("lv_end_diastolic_volume", "lv_end_systolic_volume")
    if not facts.has(*names, "lv_ejection_fraction"):
        return
    edv, esv = (facts.number(name) for name in names)
    ef = facts.number("lv_ejection_fraction")
    if edv.value <= esv.value:
        return
    expected = PERCENT * (edv.value - esv.value) / edv.value
    far = apart(ef.value, expected, combined(ef.sd, ef.sd))
    if abs(far) > TOO_FAR:
        yield Contradiction(
            facts.key("lv_ejection_fraction"),
            f"{ef.words}, but {edv.words} and {esv.words}: the volumes give "
            f"{expected:.3g} % ({abs(far):.1f} sd apart)",
            f"The volumes are fitted. {TYPING}.",
        )


def resistance(facts: Facts) -> Iterator[Contradiction]:
    """Systemic resistance = (mean - venous pressure) / output, in Wood units.

    It is compared, never fitted, and often stems from another moment than the numbers
    beside it, or from a venous pressure of 0: it counts with all of its error.
    """
    mean, flow = (
        mean_arterial(facts),
        next((found for kind in FLOWS if (found := output(facts, kind))), None),
    )
    if not facts.has("systemic_resistance") or mean is None or flow is None:
        return
    given = facts.number("systemic_resistance")
    venous = Number(*_VENOUS, "a usual venous pressure of 5 mmHg")
    if facts.has("central_venous_pressure"):
        venous = facts.number("central_venous_pressure")
    drop = mean.value - venous.value
    if drop <= 0:
        return
    expected = drop / flow.value
    share = combined(given.share, flow.share, combined(mean.sd, venous.sd) / drop)
    ratio = given.value / expected
    if abs(log(ratio)) <= TOO_FAR * share:
        return
    fix = f"It is a check only. {TYPING}."
    for factor, mistake in _MISTAKEN.items():
        if abs(log(ratio * factor)) < 0.3:
            fix = f"It looks like {mistake}. {fix}"
    yield Contradiction(
        facts.key("systemic_resistance"),
        f"systemic_resistance {given.value:.3g} WU "
        f"({given.value * DYN_S_CM5_PER_WOOD:.4g} dyn s/cm5), but {mean.words}, "
        f"{venous.words} and {flow.words} give {expected:.3g} WU "
        f"({expected * DYN_S_CM5_PER_WOOD:.4g} dyn s/cm5)",
        fix,
    )
