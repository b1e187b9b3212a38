"""The pieces a report is made of: numbers in words, tables, and small inline bars."""

from collections.abc import Sequence
from html import escape as _escape

from calibration.observations.kinds import title

#: Capitals that a plain reading of a dotted or underscored name would lose.
_CAPITALS = {
    "lv": "LV",
    "rv": "RV",
    "la": "LA",
    "ra": "RA",
    "ea": "Ea",
    "ees": "Ees",
    "dpdt": "dP/dt",
    "e": "E",
    "a": "A",
}
_JOINED = {
    "end diastolic": "end-diastolic",
    "end systolic": "end-systolic",
    "Ea Ees ratio": "Ea/Ees",
    "E A ratio": "E/A ratio",
    "pressure volume area": "pressure-volume area",
}
_UNITS = {
    "1": "",
    "L/min/m2": "L/min/m²",
    "mL/m2": "mL/m²",
    "cm2": "cm²",
    "cm^2": "cm²",
    "1/min": "/min",
    "mmHg s^2/mL": "mmHg s²/mL",
}


def escape(text: object) -> str:
    """Text made safe inside HTML."""
    return _escape(str(text), quote=True)


def words(name: str) -> str:
    """`lv_end_diastolic_volume` -> "LV end-diastolic volume".

    What can be measured has its words in the catalogue; the rest is spelled by rule.
    """
    known = title(name)
    if known:
        return known
    parts = name.replace(".", ", ").replace("_", " ").split(" ")
    text = " ".join(_CAPITALS.get(part, part) for part in parts)
    for plain, joined in _JOINED.items():
        text = text.replace(plain, joined)
    return text[:1].upper() + text[1:]


def unit(name: str) -> str:
    """A unit as printed: "L/min/m2" -> "L/min/m²"."""
    return _UNITS.get(name, name)


def number(value: float) -> str:
    """About three digits, with a real minus sign; a dash for what is not known."""
    if value != value:
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10000 or size < 0.001:
        text = f"{value:.2e}"
    else:
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
        text = f"{value:.{digits}f}"
    return text.replace("-", "−")


def plain(value: float) -> str:
    """A round number as it was typed: 90, not 90.0."""
    return f"{value:.4g}".replace("-", "−")


def spread(value: tuple[float, float, float]) -> str:
    """ "94 (88 to 101)": the median and, smaller, the interval."""
    middle, low, high = map(number, value)
    return f"<span>{_mid(middle)} {_ends(f'{low} to {high}')}</span>"


def plus_minus(value: float, sd: float) -> str:
    """ "94 ± 3", the sd smaller."""
    return f"<span>{_mid(number(value))} {_ends(f'± {number(sd)}')}</span>"


def signed(value: tuple[float, float, float]) -> str:
    """A change: signs written, and an arrow where the interval leaves out zero."""
    middle, low, high = (
        ("+" if part > 0 and number(part).strip("0.") else "") + number(part)
        for part in value
    )
    arrow = "▲" if value[1] > 0 else "▼" if value[2] < 0 else ""
    mark = f'<span class="arrow">{arrow}</span>' if arrow else ""
    return f"<span>{_mid(middle)} {_ends(f'{low} to {high}')}{mark}</span>"


def named(name: str, units: str, *more: str) -> str:
    """The name of a row in words, its unit, and tags or notes after it."""
    shown = unit(units)
    small = f' <small class="unit">{shown}</small>' if shown else ""
    return f"{words(name)}{small} {' '.join(part for part in more if part)}".rstrip()


def _mid(text: str) -> str:
    return f'<span class="mid">{text}</span>'


def _ends(text: str) -> str:
    return f'<span class="ends">{text}</span>'


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = ""
) -> str:
    """A table that becomes a list of cards on a phone; cells are HTML already."""
    head = "".join(f"<th scope='col'>{cell}</th>" for cell in header)
    body = []
    for row in rows:
        cells = [f"<th scope='row'>{row[0]}</th>"] + [
            f'<td data-label="{escape(_plain(label))}">{cell}</td>'
            for label, cell in zip(header[1:], row[1:], strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def tag(text: str, kind: str = "", title: str = "") -> str:
    """A small coloured word: kind is "good", "fair", "bad" or empty."""
    hint = f' title="{escape(title)}"' if title else ""
    return f'<span class="tag {kind}"{hint}>{escape(text)}</span>'


def residual_bar(residual: float) -> str:
    """Where a residual lies between -3 and 3 sd; green within 1, red beyond 2."""
    size = abs(residual)
    kind = "good" if size <= 1 else "fair" if size <= 2 else "bad"
    at = 60 + 18 * max(-3.0, min(3.0, residual))
    return (
        f'<span class="res {kind}"><svg viewBox="0 0 120 14" aria-hidden="true">'
        '<rect class="band" x="42" y="3" width="36" height="8"/>'
        '<line class="axis" x1="6" x2="114" y1="7" y2="7"/>'
        '<line class="axis" x1="60" x2="60" y1="2" y2="12"/>'
        f'<circle cx="{at:.1f}" cy="7" r="4"/></svg>'
        f"<span>{'+' if residual > 0 else ''}{number(residual)}</span></span>"
    )


def range_bar(
    value: tuple[float, float, float], reference: tuple[float, float] | None
) -> str:
    """An interval with its median, over the reference range in grey."""
    ends = [value[1], value[2], *(reference or ())]
    low, high = min(ends), max(ends)
    pad = 0.08 * (high - low) or 1.0

    def at(x: float) -> float:
        return 118 * (x - low + pad) / (high - low + 2 * pad) + 1

    grey = ""
    if reference:
        left, right = at(reference[0]), at(reference[1])
        grey = f'<rect class="ref" x="{left:.1f}" y="2" width="{right - left:.1f}" '
        grey += 'height="10" rx="2"/>'
    return (
        f'<svg class="bar" viewBox="0 0 120 14" aria-hidden="true">{grey}'
        f'<line class="span" x1="{at(value[1]):.1f}" x2="{at(value[2]):.1f}" y1="7" '
        f'y2="7"/><circle cx="{at(value[0]):.1f}" cy="7" r="3.4"/></svg>'
    )


def _plain(label: str) -> str:
    import re

    return re.sub(r"<small>.*?</small>|<[^>]+>", "", label).strip()
