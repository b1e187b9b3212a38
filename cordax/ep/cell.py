"""One cell paced: its figures, its restitution and a picture of both."""

from pathlib import Path
from typing import Any

import numpy as np

from cordax.scenarios import names
from physio.electrophysiology.cells import table

_FINE, _THIN = 0.01, 20  # ms between samples that are measured; one in 20 is drawn
#: Intervals of an S1-S2 protocol, as shares of the cycle.
_SHARES = (0.3, 0.32, 0.34, 0.36, 0.38, 0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1.0)


def measure(
    name: str, layer: str, bcl: float, beats: int, *, restitution: bool = False
) -> dict[str, Any]:
    """Figures of the last of ``beats`` at ``bcl`` (ms), and the trace, as plain values.

    Voltages in mV, ``upstroke_v_per_s`` in V/s (= mV/ms), durations in ms, calcium in
    mM where the model has it. **Raises** ValueError for unknown names.
    """
    chosen, cell = names.cell(name, layer)
    pauses = (
        sorted({float(round(share * bcl)) for share in _SHARES}) if restitution else []
    )
    # the upstroke lasts less than a tenth of a millisecond
    found = table(cell, bcl, beats=beats, intervals=pauses, save_every=_FINE)
    scale, rest = chosen.voltage_scale_offset
    figures: dict[str, Any] = {
        "rest_mv": scale * found["rest"] + rest,
        "peak_mv": scale * found["peak"] + rest,
        "upstroke_v_per_s": scale * found["upstroke"],
        **{f"{apd}_ms": found[apd] for apd in ("apd30", "apd50", "apd90")},
    }
    if "calcium_low" in found:
        figures["calcium_mm"] = [found["calcium_low"], found["calcium_high"]]
    told = {
        "cell": name, "layer": layer, "source": chosen.source,
        "bcl_ms": bcl, "beats": beats, **figures,
    }  # fmt: skip
    if restitution:
        told["restitution"] = {
            "interval_ms": np.asarray(found["s1s2_interval"]),
            "diastolic_ms": np.asarray(found["s1s2_diastolic"]),
            "apd90_ms": np.asarray(found["s1s2_apd"]),
        }
    told["trace"] = {
        "t_ms": np.asarray(found["t"])[::_THIN],
        "v_mv": (scale * np.asarray(found["v"]) + rest)[::_THIN],
    }
    return told


def pictures(path: str | Path, restitution: bool) -> list[Path]:
    """The files that ``draw`` writes."""
    target = Path(path)
    other = target.with_stem(target.stem + "-restitution")
    return [target, other] if restitution else [target]


def draw(found: dict[str, Any], path: str | Path) -> list[Path]:
    """The action potential, and beside it in NAME-restitution the restitution."""
    from cordax.reports.figures import electrophysiology as plot_ep

    target, *others = pictures(path, "restitution" in found)
    title = " ".join(part for part in (found["cell"], found["layer"]) if part)
    trace = found["trace"]
    plot_ep.action_potentials(
        trace["t_ms"], {title: trace["v_mv"]}, target,
        title=f"{title}, {found['bcl_ms']:g} ms",
    )  # fmt: skip
    if not others:
        return [target]
    other = others[0]
    curve = found["restitution"]
    known = np.isfinite(curve["diastolic_ms"]) & np.isfinite(curve["apd90_ms"])
    pairs = curve["diastolic_ms"][known], curve["apd90_ms"][known]
    plot_ep.restitution({title: pairs}, other, title=f"S1 {found['bcl_ms']:g} ms")
    return [target, other]
