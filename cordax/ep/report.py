"""The report of a run: one HTML file that needs nothing else."""

import base64
from importlib.resources import files
from typing import Any

from cordax.ep.run import Outcome
from cordax.ep.settings import Settings, stored
from cordax.reports.html import escape, number, table
from cordax.reports.page import INTENDED_USE

_STYLE = """
#heart-view canvas { width: 100%; height: 460px; touch-action: none; cursor: grab;
  display: block; border: 1px solid var(--line); border-radius: 8px; }
#heart-view canvas[hidden] { display: none; }
.controls { display: flex; flex-wrap: wrap; gap: 8px; align-items: center;
  margin: 10px 0; }
.controls input { flex: 1 1 200px; accent-color: var(--teal); }
.controls output { min-width: 64px; text-align: right; }
.controls button { font: inherit; font-size: 14px; padding: 3px 12px; cursor: pointer;
  border: 1px solid var(--line); border-radius: 6px; background: var(--tint); }
.legend { display: flex; flex-wrap: wrap; align-items: center; font-size: 12.5px; }
.legend span { padding: 2px 8px; color: #fff; text-shadow: 0 0 3px #000; }
.legend i { font-style: normal; color: var(--soft); margin-left: 10px; }
figure img { max-width: 100%; height: auto; display: block; }
.facts { grid-template-columns: repeat(4, 1fr); } .card b { min-height: 1.3em; }
@media screen and (max-width: 900px) {
  .facts { grid-template-columns: repeat(2, 1fr); } }
@media print { #heart-view { display: none; } }
"""


def html(
    outcome: Outcome,
    pictures: dict[str, bytes],
    view: str,
    about: dict[str, Any],
) -> str:
    """The whole page.

    ``pictures`` by name of the file ("activation.png", "ecg.png", "probes.png",
    "movie.gif"); ``view`` is the 3-D view or why there is none; ``about`` holds
    versions, created and command.
    """
    css = (files("cordax") / "assets" / "report.css").read_text(encoding="utf-8")
    parts = [
        ("view", "Activation", _activation(pictures, view)),
        ("figures", "Figures", _figures(outcome)),
        ("film", "The wave", _picture(pictures, "movie.gif", "Membrane voltage")),
        ("ecg", "Electrocardiogram", _ecg(outcome, pictures)),
        ("probes", "Action potentials", _probes(outcome, pictures)),
        ("run", "What was run", _settings(outcome.settings)),
        ("origin", "Origin", _origin(about)),
    ]
    shown = [part for part in parts if part[2]]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in shown)
    body = "".join(
        f'<section id="{key}"><h2>{title}</h2>{part}</section>'
        for key, title, part in shown
    )
    title = f"{outcome.settings.name}: electrical activation"
    title = title[0].upper() + title[1:]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)} - cordax</title><style>{css}{_STYLE}</style></head>"
        f'<body><p class="use" role="note"><b>Research use only.</b> {INTENDED_USE}'
        f'</p><main><header><p class="brand">cordax · electrophysiology</p>'
        f"<h1>{escape(title)}</h1></header>{_cards(outcome)}{_verdict(outcome)}"
        f"<nav>{links}</nav>{body}</main>"
        f"<footer>{INTENDED_USE} {escape(about['created'])}</footer></body></html>\n"
    )


def verdict(outcome: Outcome) -> str:
    """What came out, in one sentence."""
    figures = outcome.figures
    total, share = figures["total_activation_time_ms"], figures["activated_percent"]
    if not share:
        return "Nothing was activated."
    whole = "All of the tissue" if share > 99.95 else f"{number(share)} % of the tissue"
    return f"{whole} was activated within {number(total)} ms."


def _cards(outcome: Outcome) -> str:
    figures = outcome.figures
    measured = figures.get("ecg", {})
    cards = [
        ("Total activation time", figures["total_activation_time_ms"], "ms"),
        ("Tissue activated", figures["activated_percent"], "%"),
    ]
    if "apd_ms" in figures:
        cards.append(("Median APD90", figures["apd_ms"][1], "ms"))
    if measured.get("qrs_duration_ms") is not None:
        cards.append(("QRS duration", measured["qrs_duration_ms"], "ms"))
    return '<div class="cards facts">{}</div>'.format(
        "".join(
            f'<div class="card"><b>{name}</b><span class="big">{number(value)}'
            f"<small>{unit}</small></span></div>"
            for name, value, unit in cards
        )
    )


def _verdict(outcome: Outcome) -> str:
    warned = "".join(f"<li>{escape(line)}</li>" for line in outcome.warnings)
    warned = f'<ul class="warnings">{warned}</ul>' if warned else ""
    return f'<div class="verdict"><p>{escape(verdict(outcome))}</p>{warned}</div>'


def _activation(pictures: dict[str, bytes], view: str) -> str:
    name = "Isochrones of activation, with lines where two bands meet"
    return view + _picture(pictures, "activation.png", name)


def _picture(pictures: dict[str, bytes], name: str, caption: str) -> str:
    if name not in pictures:
        return ""
    kind = "gif" if name.endswith("gif") else "png"
    source = f"data:image/{kind};base64,{base64.b64encode(pictures[name]).decode()}"
    return (
        f'<figure><img alt="{escape(caption)}" src="{source}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """The figures of a run as pairs of words, for a table."""
    figures = outcome.figures
    found = [
        ("Total activation time", f"{number(figures['total_activation_time_ms'])} ms"),
        ("Tissue activated", f"{number(figures['activated_percent'])} %"),
    ]
    if "apd_ms" in figures:
        low, middle, high = map(number, figures["apd_ms"])
        found.append(("APD90", f"{middle} ms ({low} to {high})"))
        found.append(("Activations of a node, at most", str(figures["beats_per_node"])))
    found += velocity_rows(figures["velocity"])
    for key, name, unit in (
        ("qrs_duration_ms", "QRS duration", "ms"),
        ("qt_ms", "QT", "ms"),
        ("axis_deg", "Frontal QRS axis", "degrees"),
    ):
        value = figures.get("ecg", {}).get(key)
        if value is not None:
            found.append((name, f"{number(value)} {unit}"))
    found += size_rows(figures)
    if "cell_source" in figures:
        told = " ".join(x for x in (figures["cell"], outcome.settings.layer) if x)
        found.append(("Cell", f"{told}: {figures['cell_source']}"))
    found.append(("Nodes", f"{figures['nodes']:,} at {figures['spacing_mm']:g} mm"))
    if "dt_ms" in figures:
        found.append(("Time step", f"{figures['dt_ms']:g} ms, {figures['scheme']}"))
    pulse = figures.get("stimulus", {})
    if "threshold" in pulse:
        ratio = pulse["strength"] / pulse["threshold"]
        found.append((
            "Stimulus", f"{number(pulse['strength'])} uA/uF for "
            f"{pulse['duration_ms']:g} ms, {number(ratio)} times its threshold",
        ))  # fmt: skip
    found.append(("Time taken", f"{figures['seconds']:g} s"))
    return found


def size_rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """The size of the tissue and the unit of its file, in words."""
    if "size_mm" not in figures:
        return []
    size = " x ".join(number(x) for x in figures["size_mm"])
    parts = [
        f"{number(figures[key])} {unit}"
        for key, unit in (
            ("volume_ml", "mL"), ("area_cm2", "cm^2"), ("lines_mm", "mm of lines"),
        )
        if key in figures
    ]  # fmt: skip
    return [
        ("Size", ", ".join([f"{size} mm", *parts])),
        ("Unit of the file", figures["unit"]),
    ]


def velocity_rows(velocity: dict[str, Any]) -> list[tuple[str, str]]:
    """Velocities wanted and got, in words."""

    def three(values: list[float]) -> str:
        return " / ".join(number(v) for v in values)

    found = []
    if "wanted_m_per_s" in velocity:
        wanted = three(velocity["wanted_m_per_s"])
        found.append(("Velocity wanted: fibre / sheet / normal", f"{wanted} m/s"))
    if "errors_percent" in velocity:
        errors = velocity["errors_percent"]
        told = ", ".join(f"{errors[k]:.1f} % {k}" for k in sorted(errors))
        found.append(("Velocity got: plane waves within", told))
    for name, (wanted, got) in velocity.get("waves_m_per_s", {}).items():
        told = f"{got:.3g} m/s where {wanted:.3g} m/s were wanted"
        found.append((f"Plane wave that misses most, {name}", told))
    if "given_s_per_m" in velocity:
        given = three(velocity["given_s_per_m"])
        found.append(("Conductivity given: fibre / sheet / normal", f"{given} S/m"))
    if "got_m_per_s" in velocity:
        got = three(velocity["got_m_per_s"])
        found.append(("Velocity got: fibre / sheet / normal", f"{got} m/s"))
    if "continuum_m_per_s" in velocity:
        fine = three(velocity["continuum_m_per_s"])
        found.append(("Velocity on a fine grid: fibre / sheet / normal", f"{fine} m/s"))
    return found


def _figures(outcome: Outcome) -> str:
    pairs = [(escape(name), escape(value)) for name, value in rows(outcome)]
    return table(("Figure", "Value"), pairs)


def _ecg(outcome: Outcome, pictures: dict[str, bytes]) -> str:
    if "ecg.png" not in pictures:
        return ""
    note = (
        "<p>An unbounded, homogeneous conductor: trust shapes and durations before "
        "amplitudes; limb leads come out too small beside chest leads.</p>"
    )
    return note + _picture(pictures, "ecg.png", "Twelve leads, 25 mm/s")


def _probes(outcome: Outcome, pictures: dict[str, bytes]) -> str:
    if "probes.png" not in pictures:
        return ""
    pairs = [
        (
            escape(name),
            str(node),
            ", ".join(f"{x:.1f}" for x in outcome.heart.nodes[node]),
        )
        for name, (node, _) in outcome.probes.items()
    ]
    places = table(("Probe", "Node", "Place (mm)"), pairs)
    return _picture(pictures, "probes.png", "Membrane voltage of the probes") + places


def _settings(settings: Settings) -> str:
    pairs = [
        (escape(name.replace("_", " ")), escape(_plain(value)))
        for name, value in stored(settings).items()
        if value not in ("", (), None)
    ]
    return table(("Setting", "Value"), pairs)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "; ".join(
            ", ".join(f"{x:g}" for x in part)
            if isinstance(part, tuple)
            else f"{part:g}"
            for part in value
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _origin(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in about["versions"].items())
    return (
        f"<p>Made by <code>{escape(about['command'])}</code> on "
        f"{escape(about['created'])}.</p><p>{escape(versions)}.</p>"
        "<p>Run it again: <code>cordax ep run --again run.json -o OTHER</code></p>"
    )
