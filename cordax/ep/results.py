"""The folder of a run: fields for ParaView, tables, pictures, run.json, the report."""

import csv
import dataclasses
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from cordax.ep import report, view
from cordax.ep.run import Outcome
from cordax.ep.settings import SCHEMA, stored
from cordax.ep.surface import Surface, coarser, surface
from cordax.progress import Progress, silent
from cordax.reports.figures import electrophysiology as plot_ep
from cordax.reports.figures import surface as plot_ep3d
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.order import restored
from physio.electrophysiology.signals.ecg import LEADS
from physio.electrophysiology.voxels.voxels import Voxels
from physio.files import replacing_folder, write_atomic
from physio.versions import versions

_MOST_DRAWN = 400_000  # vertices of a picture
_RHYTHM = 2500.0  # ms: a longer record runs on over the ECG's page


def write(
    outcome: Outcome,
    folder: str | Path,
    *,
    command: str,
    force: bool = False,
    fields: str = "vtu",
    progress: Progress = silent,
) -> Path:
    """Writes everything of a run into one folder, complete or not at all.

    ``fields`` is the kind of the file of fields, vtu or vtkhdf.

    **Raises** FileExistsError where the folder exists and ``force`` is not set, OSError
    where the disk is full.
    """
    about = {
        "versions": versions(),
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
    }
    with replacing_folder(folder, force=force) as inside:
        progress("writing results", 0.0)
        mesh_files.write(_mesh(outcome), inside / f"activation.{fields}")
        if outcome.probes:
            write_atomic(inside / "probes.csv", _probes(outcome))
        if outcome.ecg is not None:
            table = np.column_stack([outcome.ecg_t, outcome.ecg])
            names = ["t_ms", *(f"{lead}_mv" for lead in LEADS)]
            write_atomic(inside / "ecg.csv", _csv(names, table))
        run = {
            "schema": SCHEMA,
            "settings": stored(outcome.settings),
            "figures": outcome.figures,
            **about,
        }
        write_atomic(inside / "run.json", json.dumps(finite(run), indent=1) + "\n")
        progress("drawing", 0.0)
        pictures, shown = _pictures(outcome, inside, progress)
        page = report.html(outcome, pictures, shown, about)
        write_atomic(inside / "report.html", page)
        progress("drawing", 1.0)
    return Path(folder)


def _mesh(outcome: Outcome) -> Mesh:
    """The geometry with the results: by cell of voxels, by node as in the file."""
    geometry = outcome.heart.geometry
    if isinstance(geometry, Voxels):
        fields = {**geometry.fields, **outcome.fields}
        return dataclasses.replace(geometry, fields=fields).to_mesh()
    fields = {**geometry.point_fields, **outcome.fields}
    found = dataclasses.replace(geometry, point_fields=fields)
    order = outcome.heart.order
    return found if order is None else restored(found, order)


def _probes(outcome: Outcome) -> str:
    columns = [outcome.probe_t, *(v for _, v in outcome.probes.values())]
    names = ["t_ms", *(f"{name} (mV)" for name in outcome.probes)]
    return _csv(names, np.column_stack(columns))


def _csv(names: list[str], table: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([f"{x:.6g}" for x in row] for row in table)
    return text.getvalue()


def finite(value: Any) -> Any:
    """The value with null for what is not finite: JSON knows no NaN."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _pictures(
    outcome: Outcome, inside: Path, progress: Progress
) -> tuple[dict[str, bytes], str]:
    """Draws what there is to draw; the contents by file name, and the 3-D view."""
    made = []
    shown = "<p>Nothing was activated, so there is nothing to show.</p>"
    whole = coarser(surface(outcome.heart), _MOST_DRAWN)
    if np.isfinite(outcome.activation).any():
        times = whole.at(outcome.activation)
        plot_ep3d.activation_views(
            whole.points, whole.triangles, times, inside / "activation.png"
        )
        made.append("activation.png")
        shown = view.html(whole, outcome.activation)
    if outcome.probes:
        voltages = {name: v for name, (_, v) in outcome.probes.items()}
        plot_ep.action_potentials(outcome.probe_t, voltages, inside / "probes.png")
        made.append("probes.png")
    progress("drawing", 0.3)
    if outcome.ecg is not None:
        span = outcome.ecg_t[-1] - outcome.ecg_t[0]
        cycle = max(1000.0, span) if span < _RHYTHM else None
        plot_ep.ecg_page(
            outcome.ecg_t, outcome.ecg, inside / "ecg.png", cycle=cycle,
            title=f"cordax: {outcome.settings.name}, pseudo-ECG",
        )  # fmt: skip
        made.append("ecg.png")
    progress("drawing", 0.6)
    if outcome.frames is not None:
        _film(outcome.frame_t, outcome.frames, coarser(whole), inside / "movie.gif")
        made.append("movie.gif")
    return {name: (inside / name).read_bytes() for name in made}, shown


def _film(t: np.ndarray, frames: np.ndarray, drawn: Surface, path: Path) -> None:
    plot_ep3d.film(
        drawn.points, drawn.triangles, t, lambda k: drawn.at(frames[k]), path
    )
