"""The sections of a report, each a function ReportData -> HTML ("" leaves it out)."""

from typing import TYPE_CHECKING

from cordax.reports.figures import circulation as plot
from cordax.reports.html import (
    escape,
    named,
    number,
    plain,
    plus_minus,
    range_bar,
    residual_bar,
    signed,
    spread,
    table,
    tag,
    unit,
    words,
)

if TYPE_CHECKING:
    from cordax.reports.data import ReportData, WhatIfTable

_INTERVAL = "median, 90 % interval"


def head(data: "ReportData") -> str:
    """Title, verdict, cards with the main indices, and who the patient is."""
    lines = "".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>"
        for k, v in data.patient.items()
    )
    verdict = "".join(f"<p>{escape(line)}</p>" for line in data.verdict)
    warned = "".join(f"<li>{escape(line)}</li>" for line in data.warnings)
    if warned:
        warned = f'<ul class="warnings">{warned}</ul>'
    source = f'<p class="note">{escape(data.source)}</p>' if data.source else ""
    return (
        f'<header><p class="brand">cordax · patient report</p>'
        f"<h1>{escape(data.title)}</h1>"
        f'<dl class="patient">{lines}</dl>{source}</header>'
        f"{_cards(data)}"
        f'<div class="verdict">{verdict}{warned}</div>'
    )


def _cards(data: "ReportData") -> str:
    known = {row.name: row for row in data.indices}
    cards = []
    for name in data.headline:
        if name not in known:
            continue
        row = known[name]
        middle, low, high = map(number, row.value)
        kind = "measured" if row.measured else "predicted"
        cards.append(
            f'<div class="card {kind}"><b>{words(name)}</b>'
            f'<span class="big">{middle}<small>{unit(row.unit)}</small></span>'
            f'<span class="ends">{low} to {high}</span><i>{kind}</i></div>'
        )
    return f'<div class="cards">{"".join(cards)}</div>' if cards else ""


def observations(data: "ReportData") -> str:
    """What was measured against the posterior predictive."""
    rows = []
    for row in sorted(data.observations, key=lambda r: r.role != "likelihood"):
        role = (
            tag("fitted", "good")
            if row.role == "likelihood"
            else tag("check", "", row.note or "compared, not fitted")
        )
        note = f'<small class="note">{escape(row.note)}</small>' if row.note else ""
        rows.append(
            (
                named(row.name, row.unit, role, note),
                plus_minus(row.value, row.sd),
                number(row.discrepancy_sd) if row.discrepancy_sd else "–",
                spread(row.predicted),
                residual_bar(row.residual),
            )
        )
    if not rows:
        return ""
    header = (
        "Measurement",
        "Value ± sd",
        "Discrepancy sd",
        f"Predicted <small>{_INTERVAL}</small>",
        "Residual <small>in sd</small>",
    )
    return (
        "<p>Each measurement beside what the calibrated twin predicts for it. The "
        "discrepancy is the error we grant the model itself; the residual is in units "
        "of both together. <b>Checks</b> follow from other numbers and were not "
        f"fitted.</p>{table(header, rows, kind='observations')}"
    )


def waveforms(data: "ReportData") -> str:
    """Signals over one beat with their posterior band."""
    figures = []
    for index, panel in enumerate(data.waveforms):
        said = ""
        if panel.rmse is not None:
            how = "fitted" if panel.fitted else "compared, clock aligned"
            said = f": RMSE {number(panel.rmse)} {unit(panel.unit)} ({how})"
        figures.append(
            f"<figure>{plot.waveform_svg(panel, f'wave{index}')}"
            f"<figcaption>{escape(panel.title)}{said}</figcaption></figure>"
        )
    if not figures:
        return ""
    return (
        "<p>One beat. Line: median; band: 90 % of the posterior; dots: the recording."
        f'</p><div class="figures">{"".join(figures)}</div>'
    )


def loops(data: "ReportData") -> str:
    """Pressure-volume loops."""
    figures = [
        f"<figure>{plot.loop_svg(panel, f'loop{index}')}"
        f"<figcaption>{escape(panel.title)}</figcaption></figure>"
        for index, panel in enumerate(data.loops)
    ]
    if not figures:
        return ""
    return (
        "<p>Strong line: best fit; thin lines: draws from the posterior.</p>"
        f'<div class="figures">{"".join(figures)}</div>'
    )


def whatifs(data: "ReportData") -> str:
    """Before, after and change under each treatment."""
    return "".join(_whatif(table) for table in data.whatifs)


def _whatif(what: "WhatIfTable") -> str:
    rows = [
        (
            named(row.name, row.unit),
            spread(row.before),
            spread(row.after),
            signed(row.change),
        )
        for row in what.rows
    ]
    header = ("Index", "Before", "After", "Change")
    note = f'<p class="note">{escape(what.note)}</p>' if what.note else ""
    return (
        f"<h3>{escape(what.title)} {tag('reflex ' + what.reflex)}</h3>"
        f"{table(header, rows, kind='whatif')}{note}"
    )


def indices(data: "ReportData") -> str:
    """Every index with interval and published range."""
    rows = []
    for row in data.indices:
        shown = "–"
        if row.published:
            low, high = row.published
            hint = f' title="{escape(row.source)}"' if row.source else ""
            shown = f"<span{hint}>{plain(low)} to {plain(high)}</span> "
            shown = f"<span>{shown}{_against(row.value, low, high)}</span>"
        mark = tag("measured", "good") if row.measured else ""
        rows.append(
            (
                named(row.name, row.unit, mark),
                spread(row.value),
                range_bar(row.value, row.published) if row.published else "",
                shown,
            )
        )
    if not rows:
        return ""
    header = (
        "Index",
        f"Value <small>{_INTERVAL}</small>",
        "<small>interval over published range</small>",
        "Published range",
    )
    return (
        "<p>Every index the twin can compute, measured or not; arterial pressures "
        "are those of the aortic root. The grey bar is the published range of healthy "
        "adults at rest.</p>"
        f"{table(header, rows, kind='indices')}"
    )


def _against(value: tuple[float, float, float], low: float, high: float) -> str:
    if value[0] < low:
        sure = value[2] < low
        return tag("below" if sure else "maybe below", "bad" if sure else "fair")
    if value[0] > high:
        sure = value[1] > high
        return tag("above" if sure else "maybe above", "bad" if sure else "fair")
    return tag("within", "good")


def parameters(data: "ReportData") -> str:
    """Prior and posterior of every free parameter."""
    rows = []
    for row in data.parameters:
        seen = (
            tag("prior only", "bad", "the data say next to nothing about it")
            if row.prior_only
            else tag("weakly", "fair")
            if row.sd_ratio > 0.5
            else tag("by the data", "good")
        )
        meaning = f'<small class="note">{escape(row.meaning)}</small>'
        hint = f' title="{escape(row.source)}"' if row.source else ""
        rows.append(
            (
                f"<span{hint}>{named(row.name, row.unit)}</span>"
                + (meaning if row.meaning else ""),
                spread(row.prior),
                spread(row.posterior),
                range_bar(row.posterior, (row.prior[1], row.prior[2])),
                f"{row.sd_ratio:.2f}",
                seen,
            )
        )
    if not rows:
        return ""
    header = (
        "Parameter",
        "Prior",
        "Posterior",
        "<small>posterior over prior</small>",
        "Posterior / prior SD",
        "Determined",
    )
    return (
        "<p>What was free in the fit. A ratio near 1 means that the value comes from "
        "the prior, not from this patient.</p>"
        f"{table(header, rows, kind='parameters')}"
    )


def identifiability(data: "ReportData") -> str:
    """Sentences on what the data determine, and the computation's diagnostics."""
    said = "".join(f"<li>{escape(line)}</li>" for line in data.identifiability)
    text = f"<ul>{said}</ul>" if said else ""
    rows = [
        (
            escape(row.name),
            escape(row.value),
            "–"
            if row.good is None
            else tag("good" if row.good else "poor", "good" if row.good else "bad"),
            escape(row.meaning),
        )
        for row in data.diagnostics
    ]
    if rows:
        header = ("Diagnostic", "Value", "Verdict", "Meaning")
        text += f"<h3>Can the computation be trusted?</h3>{table(header, rows)}"
    return text


def assumptions(data: "ReportData") -> str:
    """Every assumption made."""
    said = "".join(f"<li>{escape(line)}</li>" for line in data.assumptions)
    return f"<ol>{said}</ol>" if said else ""


def origin(data: "ReportData") -> str:
    """What is needed to make this report again."""
    rows = [("Seed", str(data.seed)), ("Made", escape(data.created))]
    if data.command:
        rows.append(("Command", f"<code>{escape(data.command)}</code>"))
    rows += [(escape(k), escape(v)) for k, v in data.versions.items()]
    return table(("Item", "Value"), rows, kind="origin")
