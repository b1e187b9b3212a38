"""The real hearts: activation from the root points of a source, and their ECG.

Roots and the fast layer are those of ``early_activation``, the same for both hearts
with ventricles and fixed before the first of them ran.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from benchmarks import real_hearts
from benchmarks.pages import Section
from physio.electrophysiology.anatomy.sinus_rhythm import FAST, sinus
from physio.electrophysiology.anatomy.ventricle_surfaces import (
    Surfaces,
    carried_surfaces,
)
from physio.electrophysiology.anatomy.ventricles import LV, RV, SEPTUM
from physio.electrophysiology.diffusion.conductivity import Conductivity, Membrane
from physio.electrophysiology.diffusion.grid import on_voxels
from physio.electrophysiology.eikonal import solve as eikonal
from physio.electrophysiology.mesh.formats import files as mesh_files
from physio.electrophysiology.signals import ecg, ecg_measures, electrodes, electrograms
from physio.electrophysiology.voxels.voxelise import from_mesh
from physio.electrophysiology.voxels.voxels import Voxels

PICTURES = Path(__file__).resolve().parents[1] / "build" / "validation"
SPACING = 0.5  # mm
ALONG, ACROSS = 0.65, 0.25  # m/s, of ventricular muscle
ATRIAL = 0.7  # m/s, of atria without fibres, and along fibres where there are some
ATRIAL_ACROSS = 0.35  # m/s
DELAY = 160.0  # ms from the sinus node to the first root, of the roots' source
INSULATED = 1.0  # mm about faces that atria share with ventricles
TORSO = 0.216  # S/m, Rush, Abildskov, McFee 1963, 10.1161/01.RES.12.1.40
UPRIGHT = ("I", "V5", "V6")
SINUS = 3  # the bilayer's region of the sinus node


@dataclass
class Activated:
    """Ventricles with fibres, the wall each voxel is in, and activation times (ms)."""

    voxels: Voxels
    walls: np.ndarray
    times: np.ndarray
    seconds: dict[str, float]


def activated(voxels: Voxels, surfaces: Surfaces, keep: Any = None) -> Activated:
    """From the roots through the fast layer; ``keep`` masks what conducts.

    The rest is left out after fibres and coordinates are known: beside it no current
    flows, in the front as in the ECG.
    """
    start = time.perf_counter()
    beat = sinus(voxels, surfaces)
    seconds = {"fibres": time.perf_counter() - start}
    keep = np.ones(voxels.n_node, bool) if keep is None else keep
    sites = np.flatnonzero(beat.sites[keep])
    along, across = (
        jnp.asarray(beat.velocity(v)[keep], jnp.float32) for v in (ALONG, ACROSS)
    )
    fibred = replace(voxels, fibres=beat.rule.fibres, sheets=beat.rule.sheets).only(
        keep
    )
    start = time.perf_counter()
    times = eikonal.activation_times(
        fibred,
        eikonal.Velocities(along, across, across),
        sites,
        beat.onset[keep][sites],
    )
    seconds["eikonal"] = time.perf_counter() - start
    return Activated(
        fibred, np.asarray(beat.rule.wall)[keep], np.asarray(times), seconds
    )


def leads(of: Activated) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and the twelve leads (mV) of template action potentials."""
    voxels, nodes, right = of.voxels, of.voxels.nodes, of.walls == RV
    placed = electrodes.place_electrodes(electrodes.heart_axes(nodes, ~right, right))
    array = jnp.asarray(electrodes.electrode_array(placed), jnp.float32)
    volumes = jnp.full(voxels.n_node, voxels.spacing**3, jnp.float32)
    operator = eqx.filter_jit(lambda g, d: g.operator(d))(
        on_voxels(voxels), Membrane().diffusivity(Conductivity()).astype(jnp.float32)
    )
    field = electrograms.lead_field(
        array, jnp.asarray(nodes, jnp.float32), volumes, TORSO
    )
    weights = electrograms.voltage_weights(field, volumes, operator)
    t = np.arange(-60.0, 500.0).astype(np.float32)  # rest before it, for the onset
    # late muscle has the shorter action potential: an upright T wave
    apd = jnp.asarray(290.0 - 0.6 * of.times, jnp.float32)
    at = jnp.asarray(of.times, jnp.float32)
    return t, np.asarray(ecg.twelve_leads(ecg.front_potentials(weights, t, at, apd)))


def figures(of: Activated, name: str) -> tuple[dict[str, float], list[str]]:
    """What the heart's row wants, and lines that say more; pictures go to build/."""
    t, signal = leads(of)
    seen = ecg_measures.measure(t, signal)
    total = float(np.nanmax(of.times) - np.nanmin(of.times))
    upright = sum(seen.r[lead] > abs(seen.s[lead]) for lead in UPRIGHT)
    got = {
        "activation_ms": total,
        "qrs_ms": float(seen.qrs_duration),
        "upright": float(upright),
    }
    last = {
        wall: float(np.nanmax(of.times[of.walls == number]))
        for wall, number in (("left", LV), ("right", RV), ("septum", SEPTUM))
    }
    told = [
        f"{name}: {of.voxels.n_node} voxels of {of.voxels.spacing:g} mm; activated "
        f"within {total:.0f} ms (left wall {last['left']:.0f}, right "
        f"{last['right']:.0f}, septum {last['septum']:.0f}); QRS "
        f"{seen.qrs_duration:.0f} ms, axis {seen.axis:.0f} degrees, QT {seen.qt:.0f} "
        "ms. Seconds: "
        + ", ".join(f"{k} {v:.0f}" for k, v in of.seconds.items())
        + ".",
        "",
        "| lead | " + " | ".join(ecg.LEADS) + " |",
        "| --- |" + " --- |" * len(ecg.LEADS),
    ]
    for wave in ("r", "s"):
        values = getattr(seen, wave)
        row = " | ".join(f"{values[lead]:.3f}" for lead in ecg.LEADS)
        told.append(f"| {wave.upper()} (mV) | {row} |")
    _draw(of, t, signal, name)
    return got, [*told, ""]


def _draw(of: Activated, t: np.ndarray, signal: np.ndarray, name: str) -> None:
    from cordax.reports.figures.electrophysiology import ecg_page

    stem = name.lower().replace(" ", "_")
    _draw_map(of.voxels, of.times, name)
    ecg_page(t, signal, PICTURES / f"{stem}_ecg.png", cycle=800.0)


def _draw_map(geometry: Any, times: np.ndarray, name: str) -> None:
    from cordax.ep.heart import Heart
    from cordax.ep.surface import coarser, surface
    from cordax.reports.figures.surface import activation_views

    PICTURES.mkdir(parents=True, exist_ok=True)
    outside = coarser(surface(Heart(geometry, np.zeros(0, int), {})))
    activation_views(
        outside.points,
        outside.triangles,
        np.asarray(outside.mix @ times),
        PICTURES / f"{name.lower().replace(' ', '_')}_activation.png",
        title=name,
    )


def biventricle(folder: Path) -> tuple[dict[str, float], list[str]]:
    """The truncated biventricle, geometry 1 of Cobiveco."""
    return figures(activated(*real_hearts.biventricle(folder, SPACING)), "Biventricle")


def four_chambers(folder: Path) -> tuple[dict[str, float], list[str]]:
    """The four-chamber heart, atria and ventricles insulated from each other."""
    whole = real_hearts.four_chambers(folder)
    own = real_hearts.VENTRICLES + real_hearts.ATRIA
    voxels = from_mesh(real_hearts.part(whole, own), SPACING)
    from scipy.spatial import KDTree

    tree = KDTree(real_hearts.shared_faces(whole))
    away, _ = tree.query(voxels.nodes, distance_upper_bound=INSULATED)
    apart = ~np.isfinite(away)
    lower = np.isin(voxels.regions, real_hearts.VENTRICLES)
    ventricles = voxels.only(lower)
    main = ventricles.components() == 0
    ventricles = ventricles.only(main)
    surfaces = carried_surfaces(ventricles)
    assert surfaces is not None  # four_chambers carries all four
    of = activated(ventricles, surfaces, apart[lower][main])
    got, told = figures(of, "Four chambers")
    atria = voxels.only(~lower & apart)
    times = _atria(atria)
    reached = atria.components() == 0
    told.append(
        f"Atria: {atria.n_node} voxels, {100 * np.isfinite(times).mean():.1f} % "
        f"activated from the top of the right atrium within "
        f"{np.nanmax(times):.0f} ms at {ATRIAL:g} m/s every way; the ventricles' roots "
        f"follow {DELAY:.0f} ms after the sinus node. "
        f"{int((~reached).sum())} voxels are in pieces of their own. Tissue within "
        f"{INSULATED:g} mm of shared faces is insulating: {int((~apart).sum())} voxels."
    )
    return got, [*told, ""]


def _atria(atria: Voxels) -> np.ndarray:
    """Activation from the highest point of the right atrium."""
    right = np.flatnonzero(
        (atria.regions == real_hearts.ATRIA[1]) & (atria.components() == 0)
    )
    top = right[np.argmax(atria.nodes[right, 2])]
    velocity = eikonal.Velocities.isotropic(jnp.float32(ATRIAL))
    return np.asarray(eikonal.activation_times(atria, velocity, np.array([top])))


def bilayer(folder: Path) -> tuple[dict[str, float], list[str]]:
    """The biatrial bilayer with its fibres and links, from its sinus node."""
    mesh = mesh_files.read(folder / "biatrial_bilayer_IAC.pts")
    corners = mesh.elements["triangle"][mesh.regions["triangle"] == SINUS]
    sites = np.unique(corners)
    start = time.perf_counter()
    velocity = {
        "triangle": eikonal.Velocities(
            *map(jnp.float32, (ATRIAL, ATRIAL_ACROSS, ATRIAL_ACROSS))
        ),
        "line": eikonal.Velocities.isotropic(jnp.float32(ATRIAL)),
    }
    times = np.asarray(eikonal.activation_times(mesh, velocity, sites))
    seconds = time.perf_counter() - start
    reached = np.isfinite(times)
    _draw_map(mesh, times, "Biatrial bilayer")
    regions = mesh.regions["triangle"]
    left = np.unique(mesh.elements["triangle"][np.isin(regions, (11, 12))])
    got = {
        "activated_share": float(reached.mean()),
        "activation_ms": float(np.nanmax(times) - np.nanmin(times)),
    }
    return got, [
        f"Biatrial bilayer: {mesh.n_node} nodes, {len(regions)} triangles in two "
        f"layers and {len(mesh.elements['line'])} links; from its sinus node at "
        f"{ATRIAL:g} m/s along the fibre and {ATRIAL_ACROSS:g} m/s across, "
        f"{100 * reached.mean():.1f} % of the nodes are activated within "
        f"{got['activation_ms']:.0f} ms; the left atrium from "
        f"{np.nanmin(times[left]):.0f} ms. Eikonal with its compile {seconds:.1f} s.",
        "",
    ]


def hearts(data: Path) -> Section:
    """All three, those that are there."""
    rows: dict[str, dict[str, float]] = {}
    lines = [
        "Ventricles start from five root points (Gerach and Loewe 2024, J Physiol "
        f"602:4605) through an endocardial layer of {FAST:g} m/s (Camps 2021, "
        "10.1016/j.media.2021.102143); muscle conducts at "
        f"{ALONG:g} and {ACROSS:g} m/s, fibres are by rule. Eikonal, then the lead "
        "field of template action potentials in an unbounded conductor: durations and "
        "signs are to be read before amplitudes. V1 is not normal in either heart: "
        "its R is tall, for the electrode lies close to the right base, which is last, "
        "and no torso spreads the field; the limb leads are several times too small.",
        "",
    ]
    for id, folder, run in (
        ("ep-heart-cobiveco", "biv_cobiveco", biventricle),
        ("ep-heart-rodero", "rodero01_four_chamber", four_chambers),
        ("ep-heart-atria", "biatrial_bilayer_fibres_GPL3", bilayer),
    ):
        if (data / folder).is_dir():
            rows[id], told = run(data / folder)
            lines += told
    return rows, lines
