"""What a recording shows that is not the patient: noticed where it is, nowhere else."""

import numpy as np
import pytest
from test_text_tables import COLUMN, HEAD, read, rows, text
from test_waveforms import pulse

from cordax.records.waveforms import artefacts
from cordax.records.waveforms import signals as wf

HZ = 125.0
T = np.arange(int(30 * HZ)) / HZ
P = pulse(T)


def recorded(folder, t, p, more: str = "", rate: str = ""):
    head = HEAD.replace("[measurements]", f"[measurements]\n{rate}")
    content = text("time_s,abp_mmhg", rows(np.round(t, 4), np.round(p, 3)))
    return read(folder, content, COLUMN + more, head)


def beats_at(onsets, strengths, t=T):
    """Pulses of given strengths over a pressure that runs off between them."""
    p, level, k = np.empty(t.size), 70.0, 0
    pushed = np.zeros(t.size)
    for onset, strength in zip(onsets, strengths, strict=True):
        after = t - onset
        pushed += strength * 420.0 * np.exp(-(((after - 0.12) / 0.05) ** 2))
    for k in [*range(t.size), *range(t.size)]:  # twice: the first is a run-in
        level += (pushed[k] - level / 1.6) / HZ
        p[k] = level
    return p


def bigeminy(total: float, coupling: float, weak: float):
    pair = 120.0 / total
    firsts = np.arange(-3.2, 30.0, pair)
    both = np.sort(np.concatenate([firsts, firsts + coupling]))
    return beats_at(both, np.where(np.isin(both, firsts), 1.0, weak))


@pytest.mark.parametrize("total", [64.0, 84.0])
@pytest.mark.parametrize("coupling", [0.42, 0.55])
@pytest.mark.parametrize("weak", [0.0, 0.15, 0.5])
def test_bigeminy_is_never_half_the_rate(tmp_path, total, coupling, weak):
    for rate in ("", f"heart_rate_bpm = {total:g}"):
        record, found = recorded(
            tmp_path, T, bigeminy(total, coupling, weak), rate=rate
        )
        if record is None:
            assert f"heart_rate_bpm = {total / 2:g}" not in found[0].fix
        else:
            assert record.heart_rate == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("rate", [42.0, 55.0, 80.0, 110.0])
def test_a_dicrotic_wave_is_no_second_beat(tmp_path, rate):
    onsets = np.arange(-3.2, 30.0, 60.0 / rate)
    ejection = 0.413 - 0.0017 * rate
    waves = np.concatenate([onsets, onsets + ejection - 0.02])
    strength = np.repeat([1.0, 0.08], onsets.size)
    p = beats_at(waves, strength)
    record, found = recorded(tmp_path, T, p, rate=f"heart_rate_bpm = {rate:g}")
    assert found == [] and record.waveforms[0].period_s == pytest.approx(
        60 / rate, 0.02
    )


def test_a_slow_pulse_asks_for_the_heart_rate(tmp_path):
    p = beats_at(np.arange(-3.2, 30.0, 1.5), np.ones(23))
    record, found = recorded(tmp_path, T, p)
    assert record is None and "heart_rate_bpm = ..." in found[0].fix
    record, found = recorded(tmp_path, T, p, rate="heart_rate_bpm = 40")
    assert found == []
    record, found = recorded(tmp_path, T, p, rate="heart_rate_bpm = 80")
    assert record is None and "80" not in found[0].fix and "40" not in found[0].fix


@pytest.mark.parametrize("size", [-8.0, 30.0])
@pytest.mark.parametrize("at", [6.3, 25.0])
def test_a_step_of_the_level_is_refused_at_its_place(tmp_path, size, at):
    p = P + np.where(at < T, size, 0.0)
    record, found = recorded(tmp_path, T, p)
    assert record is None and "the whole pulse moves" in found[0].message
    said = found[0].fix.replace(")", "").replace(".,", ",").split("_s = ")
    before, after = (float(s.split()[0].rstrip(".")) for s in said[1:])
    assert at - 3.0 < before < at < after < at + 3.0
    for more in (f"to_s = {before}\n", f"from_s = {after}\n"):
        record, found = recorded(tmp_path, T, p, more)
        assert found == []


@pytest.mark.parametrize("drift", [0.2, 0.5])
def test_a_drift_and_breathing_are_no_step(tmp_path, drift):
    breath = 4.0 * np.sin(2 * np.pi * T / 4.1)
    record, found = recorded(tmp_path, T, P + drift * T + breath)
    assert found == [] and record.waveforms[0].beats > 30


@pytest.mark.parametrize("size", [-35.0, 60.0, 150.0])
def test_beats_with_spikes_are_left_out_and_said(tmp_path, size):
    p, places = P.copy(), np.arange(233, T.size, 1013)
    p[places] += size
    record, found = recorded(tmp_path, T, p)
    (problem,) = found
    assert problem.level == "warning"
    clean, _ = recorded(tmp_path, T, P)
    total = clean.waveforms[0].beats + clean.waveforms[0].beats_left_out
    assert f"{places.size} of {total} beats hold spikes" in problem.message
    assert record.heart_rate == pytest.approx(75.0, abs=0.1)
    assert record.waveforms[0].beats == clean.waveforms[0].beats - places.size
    np.testing.assert_allclose(
        record.waveforms[0].beat, clean.waveforms[0].beat, atol=0.5
    )


def test_spikes_everywhere_are_refused(tmp_path):
    p = P.copy()
    p[np.arange(30, T.size, 77)] += 60.0
    record, found = recorded(tmp_path, T, p)
    assert record is None and "beats are alike" in found[-1].message + found[0].message


@pytest.mark.parametrize("top", [180.0, 260.0])
def test_a_flush_inside_the_range_is_noticed(tmp_path, top):
    p = np.where((T > 17.0) & (T < 19.5), top + 0.5 * np.sin(30 * T), P)
    record, found = recorded(tmp_path, T, p)
    clean, _ = recorded(tmp_path, T, P)
    assert found and found[0].level == "warning"
    assert "they are left out" in found[0].message
    wave, usual = record.waveforms[0], clean.waveforms[0]
    assert wave.beat.max() == pytest.approx(usual.beat.max(), abs=1.0)
    assert wave.beat.min() == pytest.approx(usual.beat.min(), abs=1.0)


def test_an_irregular_pulse_has_no_mean_beat(tmp_path):
    rng = np.random.default_rng(4)
    onsets = np.cumsum(rng.uniform(0.35, 1.5, 45)) - 2.0
    onsets = onsets[onsets < 30]
    record, found = recorded(tmp_path, T, beats_at(onsets, np.ones(onsets.size)))
    assert record is None
    assert any(w in found[0].message for w in ("beats are alike", "second rise"))


def test_beats_of_another_length_are_said_where_they_are_many(tmp_path):
    """Every fourth beat comes early: the mean beat's rate is not that of all."""
    onsets = np.cumsum(np.tile([0.8, 0.8, 0.8, 0.5], 13)) - 4.0
    p = beats_at(onsets, np.ones(onsets.size))
    record, found = recorded(tmp_path, T, p)
    assert found and "beats have another length and are left out" in found[-1].message
    assert "the rate of all is 82" in found[-1].message
    assert record.waveforms[0].beats_left_out >= 8


@pytest.mark.parametrize("hz", [50.0, 125.0, 250.0, 1000.0])
def test_a_clean_pulse_has_no_spike_at_any_rate(hz):
    t = np.arange(int(10 * hz)) / hz
    assert not artefacts.spikes(t, pulse(t)).any()


def test_sparse_samples_are_never_spikes():
    t = np.arange(200) / 20.0
    assert not artefacts.spikes(t, np.where(np.arange(200) % 16, 70.0, 120.0)).any()


def test_the_real_minute_is_left_as_it_is(shared_data):
    path = shared_data("periop_haemodynamics") / "patient26_60s_waveforms.csv"
    _, (t, p) = wf.read_columns(path, ["time_s", "abp_mmhg"])
    said = []
    bad = artefacts.spikes(t, p)
    beats = wf.find_beats(t, p)
    artefacts.require_level("a", beats, t, p)
    artefacts.require_one_pulse("a", beats, t, p, None, arterial=True)
    left = artefacts.leave_out("a", beats, t, p, bad, lambda *words: said.append(words))
    assert said == [] and not bad.any() and left.kept.sum() == beats.kept.sum()
