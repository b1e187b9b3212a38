"""Mean, systolic and diastolic pressure; the wedge; a gradient and its valve area."""

from collections.abc import Iterator
from math import log, sqrt

from cordax.records.consistency.compare import (
    TOO_FAR,
    TYPING,
    Contradiction,
    Facts,
    Number,
    apart,
    combined,
    total_sd,
)

#: The mean lies this share of the pulse above the diastolic: 0.395 +- 0.025 inside
#: the brachial artery (Bos 2007, 10.1097/HJH.0b013e32803fb621), 0.422 +- 0.055 by
#: tonometry (Grillo 2020, 10.1097/HJH.0000000000002564), a third by the old rule.
FORM, FORM_SD = 0.38, 0.055
#: (mean - diastolic) / pulse of the pulmonary artery: 0.38 from diastolic = 0.62 mean,
#: systolic = 1.61 mean (Handoko 2016, 10.14814/phy2.12910).
PULMONARY_FORM, PULMONARY_FORM_SD = 0.38, 0.07
#: Of one instrument at one time the calibration is common to both numbers: what is
#: left is reading them, over different beats and breaths (mmHg, judgement).
READING, CATHETER_READING = 2.0, 1.5

_ARTERIAL = ("systolic_pressure", "diastolic_pressure", "mean_pressure")
_PULMONARY = tuple(f"pulmonary_{name}" for name in _ARTERIAL)


def mean_arterial(facts: Facts) -> Number | None:
    """The mean arterial pressure (mmHg), else what systolic and diastolic say."""
    if facts.has("mean_pressure"):
        return facts.number("mean_pressure")
    return _expected(facts, _ARTERIAL, FORM, FORM_SD, "a mean pressure of about")


def _expected(
    facts: Facts, names: tuple[str, ...], form: float, sd: float, words: str
) -> Number | None:
    systolic, diastolic = names[:2]
    if not facts.has(systolic, diastolic):
        return None
    low = facts.known[diastolic].value
    pulse = facts.known[systolic].value - low
    value = low + form * pulse
    return Number(value, sd * abs(pulse), f"{words} {value:.3g} mmHg")


def means(facts: Facts) -> Iterator[Contradiction]:
    """A mean lies between diastolic and systolic, a third to two fifths of the way."""
    yield from _mean(facts, _ARTERIAL, FORM, FORM_SD, READING)
    yield from _mean(
        facts, _PULMONARY, PULMONARY_FORM, PULMONARY_FORM_SD, CATHETER_READING
    )


def _mean(
    facts: Facts, names: tuple[str, ...], form: float, form_sd: float, reading: float
) -> Iterator[Contradiction]:
    expected = _expected(facts, names, form, form_sd, "")
    if not facts.has(names[2]):
        return
    if expected is None:
        yield from _outside(facts, names)
        return
    systolic, diastolic, mean = (facts.known[name] for name in names)
    if not diastolic.value < systolic.value:
        return  # the wrong way round: told elsewhere
    sd = combined(expected.sd, reading)
    if mean.method != systolic.method:
        sd = combined(expected.sd, *map(total_sd, (systolic, diastolic, mean)))
    far = apart(mean.value, expected.value, sd)
    outside = not diastolic.value < mean.value < systolic.value
    if abs(far) <= TOO_FAR and not outside:
        return
    between = "between them" if outside else f"{expected.value:.3g} mmHg"
    yield Contradiction(
        facts.key(names[2]),
        f"{names[2]} {mean.value:g} mmHg, but {names[0]} {systolic.value:g} mmHg and "
        f"{names[1]} {diastolic.value:g} mmHg (line {systolic.line}): expected "
        f"{between} (diastolic + {form:.2g} x pulse pressure = {expected.value:.3g})",
        f"{TYPING}, or read at another time.",
    )


def _outside(facts: Facts, names: tuple[str, ...]) -> Iterator[Contradiction]:
    """A mean beyond the one pressure that is given beside it."""
    mean = facts.known[names[2]]
    for name, sign, way in ((names[0], 1.0, "below"), (names[1], -1.0, "above")):
        if facts.has(name) and sign * (mean.value - facts.known[name].value) >= 0:
            yield Contradiction(
                facts.key(names[2]),
                f"{names[2]} {mean.value:g} mmHg, but {name} "
                f"{facts.known[name].value:g} mmHg (line {facts.known[name].line}): "
                f"expected {way} it",
                f"{TYPING}, or read at another time.",
            )


def _front(facts: Facts) -> Number | None:
    """The mean pulmonary artery pressure, else what tells most of it."""
    if facts.has(_PULMONARY[2]):
        return facts.number(_PULMONARY[2])
    words = "a mean pulmonary artery pressure of about"
    found = _expected(facts, _PULMONARY, PULMONARY_FORM, PULMONARY_FORM_SD, words)
    if found is None and facts.has(_PULMONARY[0]):
        return facts.number(_PULMONARY[0])
    return found


def wedge(facts: Facts) -> Iterator[Contradiction]:
    """Blood runs from the pulmonary artery to the left atrium.

    Where V waves are large the mean wedge pressure passes the diastolic pulmonary one
    in earnest (Nagy 2017, 10.1002/ejhf.675): that pair has all of its errors. A mean
    of the artery below that of the wedge, by one catheter with one zero, has not.
    """
    front, diastolic = _front(facts), _PULMONARY[1]
    if not facts.has("wedge_pressure"):
        return
    behind = facts.number("wedge_pressure")
    limits = [] if front is None else [(front, CATHETER_READING)]
    if facts.has(diastolic):
        low = facts.number(diastolic)
        limits.append((low, combined(behind.sd, low.sd)))
    for limit, sd in limits:
        if apart(behind.value, limit.value, sd) > TOO_FAR:
            yield Contradiction(
                facts.key("wedge_pressure"),
                f"{behind.words}, but {limit.words}: blood runs from the pulmonary "
                f"artery to the left atrium, so the wedge is expected below it, at "
                f"most {limit.value + TOO_FAR * sd:.3g} mmHg with all errors",
                f"{TYPING}; a wedge that is too high is often over-wedged or read at "
                "a V wave.",
            )
            return


#: Wedge minus LV end-diastolic pressure has limits of agreement -15.2 to 9.5 mmHg in
#: 3926 catheterisations: Halpern & Taichman 2009, 10.1378/chest.08-2784.
_FILLING_SD = 6.3


def filling(facts: Facts) -> Iterator[Contradiction]:
    """The wedge follows the left ventricle's filling pressure (not where the mitral
    valve is narrow); the right atrium's pressure lies below the pulmonary mean."""
    pairs = (
        ("lv_end_diastolic_pressure", "wedge_pressure", _FILLING_SD),
        ("central_venous_pressure", "pulmonary_mean_pressure", 0.0),
    )
    for one, other, spread in pairs:
        if not facts.has(one, other):
            continue
        a, b = facts.number(one), facts.number(other)
        far = apart(a.value, b.value, combined(a.sd, b.sd, spread))
        narrow = facts.record.has("mitral_stenosis") or not spread
        if far > TOO_FAR or (far < -TOO_FAR and not narrow):
            about = "about the same" if spread else "the first below the second"
            yield Contradiction(
                facts.key(one),
                f"{a.words}, but {b.words}: expected {about} ({abs(far):.1f} sd apart)",
                f"{TYPING}, or read at another time.",
            )


#: Hakki 1981, 10.1161/01.CIR.63.5.1050: area (cm2) = output (L/min) / sqrt(mean
#: gradient, mmHg), Gorlin's formula with its constants; within about 0.2 cm2 of it.
_HAKKI_SD = 0.15
#: Mean over peak gradient of a Doppler envelope, and its sd (judgement; a parabola of
#: velocity has 0.53, a square 1; figures of aortic stenosis lie about 0.6).
_MEAN_OF_PEAK = (0.6, 0.06)


def _mean_gradient(facts: Facts) -> Number | None:
    if facts.has("aortic_valve_mean_gradient"):
        return facts.number("aortic_valve_mean_gradient")
    if not facts.has("aortic_valve_peak_gradient"):
        return None
    peak, (share, sd) = facts.number("aortic_valve_peak_gradient"), _MEAN_OF_PEAK
    value = share * peak.value
    return Number(value, value * combined(peak.share, sd / share), peak.words)


def valve(facts: Facts, flow: Number | None) -> Iterator[Contradiction]:
    """Area, gradient and output of the aortic valve: Gorlin, as simplified by Hakki.

    Where the valve leaks more passes it than the output, so that a larger area is
    lawful then.
    """
    gradient = _mean_gradient(facts)
    if not facts.has("aortic_valve_area") or gradient is None or flow is None:
        return
    area = facts.number("aortic_valve_area")
    expected = flow.value / sqrt(gradient.value)
    sd = combined(area.share, flow.share, gradient.share / 2, _HAKKI_SD)
    far = log(area.value / expected) / sd
    if far > 0 and facts.record.has("aortic_regurgitation"):
        return
    if abs(far) > TOO_FAR:
        yield Contradiction(
            facts.key("aortic_valve_area"),
            f"{area.words}, but {gradient.words} at {flow.words}: Gorlin's formula "
            f"(Hakki) gives about {expected:.2g} cm2 ({abs(far):.1f} sd apart)",
            f"The gradient is fitted. {TYPING}.",
        )
