"""Cells against runs of the published CellML models (data/cell_models)."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import cells as bench
from physio import get, replace
from physio.electrophysiology import cells

#: by model: our current, and its name there
CURRENTS: dict[str, dict[str, str]] = {
    "bueno_orovio_2008_cellml": {
        "j_fi": "fast_inward_current.i_fi",
        "j_so": "slow_outward_current.i_so",
        "j_si": "slow_inward_current.i_si",
    },
    "ten_tusscher_2006": {
        "i_na": "fast_sodium_current.i_Na",
        "i_k1": "inward_rectifier_potassium_current.i_K1",
        "i_to": "transient_outward_current.i_to",
        "i_kr": "rapid_time_dependent_potassium_current.i_Kr",
        "i_ks": "slow_time_dependent_potassium_current.i_Ks",
        "i_cal": "L_type_Ca_current.i_CaL",
        "i_naca": "sodium_calcium_exchanger_current.i_NaCa",
        "i_nak": "sodium_potassium_pump_current.i_NaK",
        "i_pca": "calcium_pump_current.i_p_Ca",
        "i_pk": "potassium_pump_current.i_p_K",
        "i_bna": "sodium_background_current.i_b_Na",
        "i_bca": "calcium_background_current.i_b_Ca",
    },
    "courtemanche_1998": {
        "i_na": "fast_sodium_current.i_Na",
        "i_k1": "time_independent_potassium_current.i_K1",
        "i_to": "transient_outward_K_current.i_to",
        "i_kur": "ultrarapid_delayed_rectifier_K_current.i_Kur",
        "i_kr": "rapid_delayed_rectifier_K_current.i_Kr",
        "i_ks": "slow_delayed_rectifier_K_current.i_Ks",
        "i_cal": "L_type_Ca_channel.i_Ca_L",
        "i_nak": "sodium_potassium_pump.i_NaK",
        "i_bna": "background_currents.i_B_Na",
        "i_bca": "background_currents.i_B_Ca",
        "i_naca": "Na_Ca_exchanger_current.i_NaCa",
        "i_pca": "sarcolemmal_calcium_pump_current.i_CaP",
    },
    "tor_ord_2019": {
        "i_na": "INa.INa",
        "i_nal": "INaL.INaL",
        "i_to": "Ito.Ito",
        "i_cal": "ICaL.ICaL",
        "i_cana": "ICaL.ICaNa",
        "i_cak": "ICaL.ICaK",
        "i_kr": "IKr.IKr",
        "i_ks": "IKs.IKs",
        "i_k1": "IK1.IK1",
        "i_naca_i": "INaCa.INaCa_i",
        "i_naca_ss": "INaCa.INaCa_ss",
        "i_nak": "INaK.INaK",
        "i_bk": "IKb.IKb",
        "i_bna": "INab.INab",
        "i_bca": "ICab.ICab",
        "i_pca": "IpCa.IpCa",
        "i_clca": "ICl.IClCa",
        "i_bcl": "ICl.IClb",
        "i_katp": "I_katp.I_katp",
    },
}
RUNS = [
    (name, layer, run)
    for name, (_, layers, runs) in bench.MODELS.items()
    for layer, run in zip(layers, runs, strict=True)
]
#: pA there, of a cell of 100 pF
PER_CAPACITANCE = {"courtemanche_1998": 0.01}


def worst(cell: Any, name: str, file: Any) -> dict[str, float]:
    """Largest error of every rate and current, relative to the largest value."""
    order = type(cell.initial_state())
    y = order(*map(jnp.asarray, file["states"].T))
    rate = cell.rate(jnp.zeros_like(y.v), jnp.zeros(()), y, None)
    names = list(file["intermediate_names"])
    pairs = dict(zip(file["state_names"], jax.tree.leaves(rate), strict=True))
    errors = {}
    for k, (key, got) in enumerate(pairs.items()):
        want = file["derivatives"][:, k]
        errors[key] = np.abs(got - want).max() / np.abs(want).max()
    currents = cell.currents(y)
    assert set(currents) == set(CURRENTS[name])
    for key, theirs in CURRENTS[name].items():
        want = file["intermediates"][:, names.index(theirs)]
        want = want * PER_CAPACITANCE.get(name, 1.0)
        size = np.abs(want).max() or 1.0  # I_KATP is nothing there
        errors[key] = np.abs(currents[key] - want).max() / size
    return errors


@pytest.mark.parametrize(("name", "layer", "run"), RUNS)
def test_rates_and_currents_at_64_states(shared_data, name, layer, run):
    file = np.load(shared_data("cell_models") / f"{run}.npz")
    errors = worst(bench.MODELS[name][0](layer), name, file)
    # the issue asks 1e-9; round-off gives 3e-14
    wrong = {k: x for k, x in errors.items() if not x < 1e-11}
    assert not wrong


def test_a_conductance_wrong_by_a_millionth_is_seen(shared_data):
    file = np.load(shared_data("cell_models") / "tor_ord_dyncl_endo.npz")
    cell = cells.tor_ord_2019("endo")
    cell = replace(cell, "calcium", get(cell, "calcium") * (1 + 1e-6))
    errors = worst(cell, "tor_ord_2019", file)
    wrong = {k for k, x in errors.items() if not x < 1e-9}
    assert {"i_cal", "i_cana", "i_cak", "membrane.v"} <= wrong
    assert "i_kr" not in wrong


def two_beats(folder: Path, name: str, dt: float = 0.02) -> dict[str, Any]:
    """Beats 101 and 102 from the published state after 100, the last one measured."""
    build, layers, runs = bench.MODELS[name]
    cell = bench.stacked([build(layer) for layer in layers])
    y0 = bench.published_states(name, "state_after_100_beats", folder)
    beat = cells.pace(cell, 1000.0, 2, y0=y0, onset=10.0, dt=dt)
    summary = json.loads((folder / "summary.json").read_text())
    return {
        run: (beat, lane, summary[run], np.load(folder / f"{run}.npz"))
        for lane, run in enumerate(runs)
    }


SLOW = pytest.param("tor_ord_2019", marks=pytest.mark.slow)  # 45 states to compile


@pytest.mark.parametrize(
    "name",
    ["bueno_orovio_2008_cellml", "ten_tusscher_2006", "courtemanche_1998", SLOW],
)
def test_a_beat_is_the_published_one(shared_data, name):
    for run, (beat, lane, summary, file) in two_beats(
        shared_data("cell_models"), name
    ).items():
        v = np.asarray(beat.y.v[:, lane])
        # the summary has a sample every 0.5 ms, the table the peak itself
        found, fine = (cells.action_potential(beat.t[::k], v[::k]) for k in (5, 1))
        for ours, theirs in bench.FIGURES.items():
            got, want = float(getattr(found, ours)), summary[theirs]
            # 0.5 %; a dimensionless rest is printed to 1e-4
            assert abs(got - want) < 0.005 * abs(want) + 1e-4, (run, ours, got, want)
        if "calcium" in summary:
            calcium = np.asarray(beat.y.cai[:, lane])
            low, high, _ = summary["calcium"]
            assert np.allclose([calcium.min(), calcium.max()], [low, high], rtol=0.005)
        # beat 101 against 102, sampled every ms; a gate's drift and float32 besides
        # the upstroke, where 0.01 ms is 4 mV
        height = summary["peak"] - summary["rest"]
        error = np.abs(v[:-1:10] - file["beat_states"][:, 0])
        assert error[13:].max() < 0.01 * height, (run, error[13:].max())
        rest, peak, half, long = bench.PUBLISHED[run]
        assert np.allclose(
            [fine.rest, fine.peak, fine.apd50, fine.apd90],
            [rest, peak, half, long],
            rtol=0.02, atol=0.002,
        )  # fmt: skip


@pytest.mark.slow
def test_the_human_envelope_holds_the_endocardial_cell(shared_data):
    # 10-90 % of 58 measured action potentials, aligned at their upstroke
    envelope = np.genfromtxt(
        shared_data("human_ap_envelope_GPL3") / "envelope.csv",
        delimiter=",", names=True,
    )  # fmt: skip
    t, low, high = (envelope[k] for k in ("time_ms", "q10_mv", "q90_mv"))
    trace = two_beats(shared_data("cell_models"), "tor_ord_2019")
    beat, lane, *_ = trace["tor_ord_dyncl_endo"]
    v = np.asarray(beat.y.v[:, lane])
    start = float(cells.action_potential(beat.t, v).start)
    upstroke = t[np.argmax(np.diff(envelope["q75_mv"]))]

    def inside(trace: np.ndarray) -> float:
        at = np.interp(t, np.asarray(beat.t) - start + upstroke, trace)
        after = t > upstroke + 2.0
        return float(((at >= low) & (at <= high))[after].mean())

    # a little under the 10 % quantile at rest in places; 95 % inside is asked
    assert inside(v) > 0.95
    assert inside(v + 15.0) < 0.8


def test_a_hundred_beats_from_the_published_start(shared_data):
    # the other models take a minute and more: benchmarks/cells.py
    found = bench.hundred_beats(
        "bueno_orovio_2008_cellml", folder=shared_data("cell_models"), dt=0.02
    )
    for run, row in found.items():
        for key in ("dapd50", "dapd90", "dpeak"):
            assert abs(row[key]) < 0.5, (run, key, row[key])
