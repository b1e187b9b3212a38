"""Waveforms: mean beats, and a sentence for every broken file."""

from pathlib import Path

import numpy as np
import pytest

from cordax.records import examine, record
from cordax.records.waveforms import signals as wf

RECORD = """\
[measurements]
heart_rate_bpm = 75

[[waveform]]
file = "beat.csv"
column = "abp_mmhg"
signal = "arterial_pressure"
site = "radial"
"""


def pulse(t: np.ndarray, period: float = 0.8) -> np.ndarray:
    """A pressure with a steep upstroke at phase 0.1, between 70 and 120 mmHg."""
    phase = (t / period) % 1.0
    rise = np.clip((phase - 0.05) / 0.1, 0, 1)
    return 70 + 50 * rise * np.exp(-3 * np.clip(phase - 0.15, 0, None))


def write(folder: Path, t, value, text: str = RECORD, header="time_s,abp_mmhg") -> Path:
    rows = [f"{a},{b}" for a, b in zip(t, value, strict=True)]
    (folder / "beat.csv").write_text("\n".join([header, *rows]) + "\n")
    path = folder / "a.toml"
    path.write_text(text)
    return path


@pytest.fixture
def minute():
    t = np.round(np.arange(0, 20, 0.01), 4)
    return t, pulse(t)


def only(path: Path) -> record.RecordProblem:
    (problem,) = examine.problems(path)
    return problem


def test_many_beats_become_their_mean(tmp_path, minute):
    wave = examine.read(write(tmp_path, *minute)).waveforms[0]
    assert wave.beats >= 22
    assert wave.period_s == pytest.approx(0.8, abs=1e-3)
    assert wave.beat.size == wf.BEAT_POINTS
    assert wave.beat.argmin() in (0, 63)
    assert wave.role == "likelihood"  # no number was typed for this signal
    assert wave.beat.max() == pytest.approx(120, abs=2)  # 10 ms samples cut the peak


def test_the_heart_rate_may_come_from_the_waveform(tmp_path, minute):
    text = RECORD.replace("heart_rate_bpm = 75", "")
    found = examine.read(write(tmp_path, *minute, text))
    assert found.heart_rate == pytest.approx(75, abs=0.2)


def test_early_beats_are_left_out_and_counted(tmp_path):
    t = np.arange(0, 20, 0.01)
    # one beat of half the length in the middle
    warped = np.where(t < 10, t, np.where(t < 10.4, 10 + (t - 10) * 2, t + 0.4))
    wave = examine.read(write(tmp_path, t, pulse(warped))).waveforms[0]
    assert wave.beats_left_out >= 1
    assert wave.period_s == pytest.approx(0.8, abs=0.01)


def test_one_beat_is_used_as_it_is(tmp_path):
    t = np.arange(0, 0.8, 0.02)
    wave = examine.read(write(tmp_path, t, pulse(t))).waveforms[0]
    assert (wave.beats, wave.beat.size) == (1, 40)
    assert wave.period_s == pytest.approx(0.8)
    np.testing.assert_allclose(wave.beat, pulse(t), rtol=1e-6)  # printed digits


def test_signals_of_one_file_stay_aligned(tmp_path, minute):
    t, value = minute
    text = RECORD + (
        '[[waveform]]\nfile = "beat.csv"\ncolumn = "cvp"\nunit = "mmHg"\n'
        'signal = "central_venous_pressure"\n'
    )
    rows = [f"{a},{b},{b / 20}" for a, b in zip(t, value, strict=True)]
    (tmp_path / "beat.csv").write_text("\n".join(["time_s,abp_mmhg,cvp", *rows]))
    path = tmp_path / "a.toml"
    path.write_text(text)
    first, second = examine.read(path).waveforms
    np.testing.assert_allclose(first.beat / 20, second.beat, rtol=1e-9)


def test_a_typed_role_makes_the_numbers_checks(tmp_path, minute):
    text = RECORD.replace("= 75", "= 75\nsystolic_pressure_mmhg = 120")
    found = examine.read(write(tmp_path, *minute, text))
    assert found.waveforms[0].role == "check"
    found = examine.read(write(tmp_path, *minute, text + 'role = "likelihood"\n'))
    assert found.waveforms[0].role == "likelihood"
    assert [m.kind for m in found.checks()] == ["systolic_pressure"]


def test_a_missing_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(RECORD)
    found = only(path)
    assert found.line == 5
    assert "beat.csv cannot be read" in found.message


def test_a_missing_column_lists_those_there(tmp_path, minute):
    found = only(write(tmp_path, *minute, header="time_s,art"))
    assert "no column 'abp_mmhg'; it has 'time_s', 'art'" in found.message


def test_gaps_and_blanks_have_a_line(tmp_path, minute):
    t, value = minute
    value = value.astype(object)
    value[100:103] = ["", "nan", "NA"]
    found = only(write(tmp_path, t, value))
    assert "line 102: abp_mmhg is missing or NaN (3 such cells" in found.message
    assert "line 104" in found.message
    assert "Type from_s = 1.03 and to_s = 19.99, the longest" in found.fix
    value[100] = "12a"
    assert "'12a' is not a number" in only(write(tmp_path, t, value)).message
    keep = np.r_[0:500, 600:2000]
    found = only(write(tmp_path, t[keep], minute[1][keep]))
    assert "a gap of 1.01 s at 4.99 s" in found.message
    assert "from_s = 6" in found.fix
    cut = RECORD + "from_s = 6\n"
    assert examine.problems(write(tmp_path, t[keep], minute[1][keep], cut)) == []


def test_time_that_does_not_increase(tmp_path, minute):
    t, value = minute
    t = t.copy()
    t[50] = t[49]
    found = only(write(tmp_path, t, value))
    assert "line 52: time goes from 0.49 to 0.49 s" in found.message


def test_times_in_milliseconds(tmp_path, minute):
    found = only(write(tmp_path, minute[0] * 1000, minute[1]))
    assert "milliseconds" in found.fix


def test_a_wrong_sampling_rate(tmp_path, minute):
    t, value = minute
    found = only(write(tmp_path, t, value, RECORD + "sampling_hz = 125\n"))
    assert "the times give 100 Hz" in found.message
    found = only(write(tmp_path, t / 2, value))
    assert "times run 2 times as fast" in found.message
    assert "heart_rate_bpm = 150" in found.fix


def test_uneven_samples(tmp_path, minute):
    t, value = minute
    t = t + 0.004 * np.sin(np.arange(t.size) * 1.7)
    assert "not evenly spaced" in only(write(tmp_path, t, value)).message


def test_values_in_another_unit(tmp_path, minute):
    t, value = minute
    found = only(write(tmp_path, t, value / 7.5))
    assert "expected within 10 to 320 mmHg" in found.message
    assert "unit = 'kpa'" in found.fix
    header = "time_s,abp_kpa"
    text = RECORD.replace("abp_mmhg", "abp_kpa")
    path = write(tmp_path, t, value / 7.50061683, text, header)
    assert examine.read(path).waveforms[0].beat.max() == pytest.approx(120, abs=2)
    path = write(tmp_path, t, value, RECORD.replace("abp_mmhg", "abp"), "time_s,abp")
    assert 'unit = "mmhg"' in only(path).fix


def test_signals_that_show_nothing(tmp_path, minute):
    t, value = minute
    assert "flat at 80" in only(write(tmp_path, t, 0 * value + 80)).message
    assert "holds 8 samples" in only(write(tmp_path, t[:8], value[:8])).message
    assert "no line of data" in only(write(tmp_path, [], [])).message
    (tmp_path / "beat.csv").write_bytes(b"\xff\xfe\x00")
    assert "not a CSV" in only(tmp_path / "a.toml").message


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("colour = 1", "column"),
        ('signal = "arterial"', "arterial_pressure"),
        ("sd = -1", "above 0"),
        ('from_s = "a"', "number"),
    ],
)
def test_bad_keys_of_a_waveform(tmp_path, minute, typed, words):
    text = RECORD.replace('signal = "arterial_pressure"\n', "")
    if not typed.startswith("signal"):
        text = RECORD
    found = only(write(tmp_path, *minute, text + typed + "\n"))
    assert words in found.fix


def test_the_shipped_beat_is_the_mean_of_the_record(shared_data):
    path = shared_data("periop_haemodynamics") / "patient26_60s_waveforms.csv"
    _, (t, pressure, venous) = wf.read_columns(path, ["time_s", "abp_mmhg", "cvp_mmhg"])
    beats = wf.from_the_foot(wf.find_beats(t, pressure), t, pressure)
    shipped = Path(wf.__file__).parents[2] / "patients" / "periop_beat.csv"
    _, stored = wf.read_columns(shipped, ["time_s", "abp_mmhg", "cvp_mmhg"])
    time, mean = wf.mean_beat(t, pressure, beats)
    # the file prints 1e-6 s and 1e-3 mmHg
    np.testing.assert_allclose(stored[0], time, atol=1e-6)
    np.testing.assert_allclose(stored[1], mean, atol=1e-3)
    np.testing.assert_allclose(stored[2], wf.mean_beat(t, venous, beats)[1], atol=1e-3)
