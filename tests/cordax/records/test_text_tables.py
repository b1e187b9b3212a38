"""Text tables as devices write them: what was read against what the file states."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from test_waveforms import pulse

from cordax.records import examine

HEAD = """\
[measurements]

[[waveform]]
file = "beat.csv"
signal = "arterial_pressure"
site = "radial"
"""
N, HZ = 750, 125.0
T = np.arange(N) / HZ
P = np.round(pulse(T), 2)
START = datetime(2024, 3, 9, 23, 59, 57)  # the recording runs over midnight


def rows(*columns, separator=",") -> list[str]:
    return [separator.join(map(str, row)) for row in zip(*columns, strict=True)]


def comma(values, digits=2) -> list[str]:
    return [f"{v:.{digits}f}".replace(".", ",") for v in values]


def text(header, body) -> str:
    return "\n".join([*([header] if isinstance(header, str) else header), *body]) + "\n"


def stamps(form) -> list[str]:
    moments = [START + timedelta(seconds=float(t)) for t in T]
    return [m.strftime(form)[: -3 if form.endswith("%f") else None] for m in moments]


def elapsed(t: float, hours: bool) -> str:
    minutes, seconds = divmod(t, 60)
    return ("0:0" if hours else "") + f"{minutes:.0f}:{seconds:06.3f}"


def labchart(mark: str = "") -> str:
    head = [
        "Interval=\t0.008 s", "ExcelDateTime=\t4.4e4\t01/01/20 10:00:00",
        "TimeFormat=\tStartOfBlock", "DateFormat=\t", "ChannelTitle=\tABP\tCVP",
        "Range=\t200.0 mmHg\t20 mmHg",
    ]  # fmt: skip
    body = rows([f"{t:.3f}" for t in T], P, ["5.0"] * N, separator="\t")
    body[300] += "\t#* " + (mark or "patient moved")
    return text(head, body)


MS, US = (T * 1e3).astype(int), (T * 1e6).astype(int)
COLUMN, QUOTED = 'column = "abp_mmhg"\n', "column = \"'ABP'\"\n"
ABP = 'column = "ABP"\n'
#: What was written, and the lines of the record that go with it.
EXPORTS = {
    "plain": (text("time_s,abp_mmhg", rows(T, P)), COLUMN),
    "semicolons, decimal commas": (
        text("time_s;abp_mmhg", rows(comma(T, 3), comma(P), separator=";")), COLUMN),
    "tabs, decimal commas": (
        text("time_s\tabp_mmhg", rows(comma(T, 3), comma(P), separator="\t")), COLUMN),
    "quoted decimal commas": (
        text("time_s,abp_mmhg", [f'"{t}","{p}"'
             for t, p in zip(comma(T, 3), comma(P), strict=True)]), COLUMN),
    "points beside commas of another column": (
        text("time_s;abp_mmhg", rows(T, comma(P), separator=";")), COLUMN),
    "a spreadsheet's mark": (text(["sep=;", "time_s;abp_mmhg"],
                             rows(T, P, separator=";")), COLUMN),
    "aligned by blanks": (text("   Elapsed time   ABP", [
        f"   {t:9.3f}   {p:7.2f}" for t, p in zip(T, P, strict=True)]),
        ABP + 'unit = "mmHg"\n'),
    "rdsamp": (text(["'Elapsed time','ABP'", "'seconds','mmHg'"],
                    rows([f"{t:.3f}" for t in T], P)), QUOTED),
    "rdsamp, elapsed": (text(["'Elapsed time','ABP'", "'hh:mm:ss.mmm','mmHg'"],
                        rows([f"'{elapsed(t, False)}'" for t in T], P)), ABP),
    "PhysioBank, time of day": (
        text(["'Time and date','ABP'", "'hh:mm:ss.mmm dd/mm/yyyy','mmHg'"],
             rows([f"'[{s}]'" for s in stamps("%H:%M:%S.%f")], P)),
        ABP + 'time_column = "Time and date"\n'),
    "PhysioBank, tabs": (
        text(["       Elapsed time\t      ABP", "     hh:mm:ss.mmm\t   (mmHg)"],
             rows([f"   {elapsed(t, False)}" for t in T], P, separator="\t")), ABP),
    "elapsed with hours": (text("time,abp_mmhg", rows(
        [elapsed(t, True) for t in T], P)), COLUMN),
    "ISO": (text("time,abp_mmhg", rows(stamps("%Y-%m-%dT%H:%M:%S.%f"), P)), COLUMN),
    "ISO with a zone": (text("timestamp,abp_mmhg", rows(
        [s + "+01:00" for s in stamps("%Y-%m-%d %H:%M:%S.%f")], P)), COLUMN),
    "German dates": (text("Zeit;abp_mmhg", rows(
        [s.replace(".", ",").replace("-", ".") for s in stamps("%d-%m-%Y %H:%M:%S.%f")],
        comma(P), separator=";")), COLUMN),
    "American dates": (text("time,abp_mmhg", rows(
        stamps("%m/%d/%Y %H:%M:%S.%f"), P)), COLUMN),
    "time of day": (text("time,abp_mmhg", rows(stamps("%H:%M:%S.%f"), P)), COLUMN),
    "milliseconds": (text("time_ms,abp_mmhg", rows(MS, P)), COLUMN),
    "milliseconds in brackets": (text("Time (ms),ABP (mmHg)", rows(MS, P)), ABP),
    "milliseconds of no stated unit": (text("time,abp_mmhg", rows(MS, P)), COLUMN),
    "milliseconds typed": (text("t,abp_mmhg", rows(MS, P)),
                           COLUMN + 'time_unit = "ms"\n'),
    "microseconds": (text("time_us,abp_mmhg", rows(US, P)), COLUMN),
    "an epoch in ms": (text("timestamp,abp_mmhg", rows(
        MS + 1_710_028_797_000, P)), COLUMN),
    "an epoch in s": (text("timestamp,abp_mmhg", rows(
        [f"{t:.3f}" for t in T + 1_710_028_797], P)), COLUMN),
    "an epoch in ns": (text("time,abp_mmhg", rows(
        [1000 * int(u) + 1_710_028_797_000_000_000 for u in US], P)), COLUMN),
    "no times": (text("abp_mmhg", rows(P)), COLUMN + "sampling_hz = 125\n"),
    "counted samples": (text("t,abp_mmhg", rows(range(N), P)),
                        COLUMN + "sampling_hz = 125\n"),
    "times of whole seconds": (text("time,abp_mmhg", rows(
        stamps("%H:%M:%S"), P)), COLUMN + "sampling_hz = 125\n"),
    "times rounded to 10 ms": (text("time_s,abp_mmhg", rows(
        [f"{t:.2f}" for t in T], P)), COLUMN),
    "LabChart": (labchart(), ABP),
    "LabChart, a time column typed": (labchart(), ABP + 'time_column = "Interval="\n'),
    "a comment and a blank line": (text(["# monitor 3", "", "time_s,abp_mmhg"],
                                   rows(T, P)), COLUMN),
    "a separator at the end of each row": (
        text("time_s;abp_mmhg", [r + ";" for r in rows(comma(T, 3), comma(P),
                                                       separator=";")]), COLUMN),
    "day numbers of a spreadsheet": (
        text("time,abp_mmhg", rows([f"{t / 86400:.11f}" for t in T], P)),
        COLUMN + 'time_unit = "days"\n'),
    "minutes": (text("time_min,abp_mmhg", rows([f"{t / 60:.9f}" for t in T], P)),
                COLUMN),
    "Pa in the file": (text(["time_s,ABP", "s,Pa"], rows(T, P * 133.322387)), ABP),
    "kPa in the file": (text(["time_s,ABP", "s,kPa"], rows(
        T, np.round(P / 7.50061683, 5))), ABP),
}  # fmt: skip


def read(folder: Path, content: str | bytes, more: str, head: str = HEAD):
    data = content.encode() if isinstance(content, str) else content
    (folder / "beat.csv").write_bytes(data)
    (folder / "a.toml").write_text(head + more)
    return examine.examine(folder / "a.toml")


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_holds_the_same_recording(tmp_path, name):
    record, found = read(tmp_path, *EXPORTS[name])
    assert found == []
    (wave,) = record.waveforms
    assert wave.value.size == N  # every row of the file
    # rounded to 10 ms, the rate is known to a thousandth over these 6 s
    np.testing.assert_allclose(wave.time_s, T, atol=0.011 if "10 ms" in name else 2e-6)
    np.testing.assert_allclose(wave.value, P, atol=1e-3)
    assert record.heart_rate == pytest.approx(75.0, rel=2e-3)


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "cp1252"])
def test_every_code_of_text_is_read(tmp_path, code):
    content = text("time_s;abp_mmhg;T °C", rows(T, P, ["37,2"] * N, separator=";"))
    record, found = read(tmp_path, content.replace("\n", "\r\n").encode(code), COLUMN)
    assert found == [] and record.waveforms[0].value.size == N


@pytest.mark.parametrize("hz", [240.0, 256.0, 360.0, 512.0, 1024.0])
def test_rates_that_do_not_fit_milliseconds_are_read(tmp_path, hz):
    t = np.arange(int(6 * hz)) / hz
    content = text("time_s,abp_mmhg", rows([f"{x:.3f}" for x in t], pulse(t)))
    record, found = read(tmp_path, content, COLUMN)
    assert found == []
    assert record.waveforms[0].value.size == t.size
    np.testing.assert_allclose(record.waveforms[0].time_s, t, atol=6e-4)
    assert record.heart_rate == pytest.approx(75.0, rel=3e-3)
    # one row less, and it is a gap
    gone = text("time_s,abp_mmhg", np.delete(content.splitlines()[1:], int(3 * hz)))
    said = read(tmp_path, gone, COLUMN)[1][0].message
    # where times repeat, a gap cannot be told from another disorder
    assert "gap of" in said or (hz == 1024 and "must increase" in said)


def edited(line: int, new: str, header: str = "time_s,abp_mmhg") -> str:
    body = rows([f"{t:.3f}" for t in T], P)
    body[line - 2] = new
    return text(header, body)


WITH_MISSING = rows([f"{t:.3f}" for t in T], [*P[:99], *["-"] * 7, *P[106:]])
#: What is refused: its text, the record's lines, and what is said.
REFUSED = {
    "decimal commas between commas": (
        text("time_s,abp_mmhg", rows(comma(T, 3), comma(P))), COLUMN,
        ["line 2: 4 cells under 2 names", "decimal commas", "semicolons"]),
    "decimal commas in the last column": (
        text("time_s,abp_mmhg", rows([f"{t:.3f}" for t in T], comma(P))), COLUMN,
        ["3 cells under 2 names", "decimal commas"]),
    "and a trailing comma": (
        text("time_s,abp_mmhg,cvp_mmhg", [r + "," for r in rows(
            [f"{t:.3f}" for t in T], comma(P))]), COLUMN, ["4 cells under 3 names"]),
    "one such row far below": (edited(700, "5.584,101,8"), COLUMN,
                               ["line 700: 3 cells under 2 names"]),
    "a row too short": (edited(5, "0.024", "time_s,abp_mmhg").replace(
        "time_s,abp_mmhg", "time_s,abp_mmhg,cvp"), COLUMN, ["2 cells under 3 names"]),
    "separators of thousands": (text("time_s;abp_mmhg", rows(
        ["0.001,5", *map(str, T[1:])], P, separator=";")), COLUMN, ["time_s"]),
    "dashes for missing": (
        text("time_s,abp_mmhg", WITH_MISSING), COLUMN,
        ["line 101: abp_mmhg is missing or NaN (7 such cells, the last in line 107)",
         "Type from_s = 0.848 and to_s = 5.992"]),
    "a word": (edited(30, "0.224,OFF"), COLUMN, ["line 30: abp_mmhg = 'OFF'"]),
    "no names": ("\n".join(rows(T, P)), COLUMN, ["holds numbers", "time_s,abp_mmhg"]),
    "a name twice": (text("time_s,abp_mmhg,abp_mmhg", rows(T, P, P)), COLUMN,
                     ["2 columns called 'abp_mmhg'"]),
    "no times and no rate": (text("abp_mmhg", rows(P)), COLUMN,
                             ["no column of times", "sampling_hz = 125"]),
    "two columns of times": (text("time,t,abp_mmhg", rows(T, T, P)), COLUMN,
                             ["several columns of times", "time_column ="]),
    "counted, without a rate": (text("t,abp_mmhg", rows(range(N), P)), COLUMN,
                                ["milliseconds or samples", 'time_unit = "ms"']),
    "whole seconds, without a rate": (
        text("time,abp_mmhg", rows(stamps("%H:%M:%S"), P)), COLUMN,
        ["in steps of 1 s, 125 samples in each", "sampling_hz = 125"]),
    "milliseconds called seconds": (
        text("time_s,abp_mmhg", rows(MS, P)), COLUMN, ['time_unit = "ms"']),
    "seconds called milliseconds": (
        text("time_ms,abp_mmhg", rows(T, P)), COLUMN, ['time_unit = "s"']),
    "an epoch called seconds": (
        text("time_s,abp_mmhg", rows(MS + 1_710_028_797_000, P)), COLUMN,
        ["ms since 1970", 'time_unit = "ms"']),
    "day numbers, not said": (
        text("time,abp_mmhg", rows([f"{45000 + t / 86400:.11f}" for t in T], P)),
        COLUMN, ["day numbers of a spreadsheet", 'time_unit = "days"']),
    "a unit nobody knows": (text(["time_s,ABP", "s,adu"], rows(T, P)), ABP,
                            ["uncalibrated"]),
    "a time that is none": (text("time,abp_mmhg", rows(
        ["0:00.000", "yesterday", *[elapsed(t, False) for t in T[2:]]], P)), COLUMN,
        ["line 3: time = 'yesterday' is not a time"]),
    "a quotation mark": (edited(9, '0.056,"101.8'), COLUMN, ["quotation mark"]),
    "two blocks of LabChart": (labchart() + labchart(), ABP,
                               ["a second block begins", "Export one block"]),
    "a unit said twice": (text(["time_s,ABP", "s,kPa"], rows(T, P)),
                          ABP + 'unit = "mmHg"\n',
                          ["said in two ways", "the file says kpa"]),
    "kPa called mmHg": (text("time_s,abp_mmhg", rows(T, P / 6)), COLUMN,
                        ["it looks like kPa", 'Type unit = "kpa"']),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_with_its_cause(tmp_path, name):
    content, more, words = REFUSED[name]
    record, found = read(tmp_path, content, more)
    assert record is None
    (problem,) = [p for p in found if p.level == "error"]
    for word in words:
        assert word in f"{problem.message} {problem.fix}"


@pytest.mark.parametrize(
    ("name", "words"),
    [("041s01.dat", "rdsamp -r 041s01"), ("a.xlsx", "Save as"), ("a.adicht", "Text")],
)
def test_files_that_are_no_text_say_how_to_export_them(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"\x00\x01\x02\xff" * 99)
    (tmp_path / "a.toml").write_text(HEAD.replace("beat.csv", name) + COLUMN)
    (problem,) = examine.problems(tmp_path / "a.toml")
    assert words in problem.fix


def test_a_number_of_the_record_confirms_an_unusual_unit(tmp_path):
    """A pulmonary pressure of 10/4 may be kPa; the number beside it decides."""
    low = 4.0 + (P - 70.0) * 6.0 / 50.0
    head = HEAD.replace("arterial_pressure", "pulmonary_artery_pressure").replace(
        'site = "radial"\n', ""
    )
    more = 'column = "pap"\nunit = "mmHg"\n'
    content = text("time_s,pap", rows(T, low))
    _, found = read(tmp_path, content, more, head)
    assert "looks like kPa (9.91 kPa are 74 mmHg)" in found[0].message
    assert "pulmonary_systolic_pressure_mmhg = 9.91" in found[0].fix
    said = "[measurements]\nmean_pressure_mmhg = 80\npulmonary_systolic_pressure_mmhg ="
    record, found = read(
        tmp_path, content, more, head.replace("[measurements]", f"{said} 10")
    )
    assert record is not None and found == []


@pytest.mark.parametrize(
    ("header", "unit", "words"),
    [
        ("vol_rvu", "", "in RVU, says the column's name: an uncalibrated signal"),
        ("vol_rvu", "mL", "in RVU, says the column's name"),
        ("vol", "RVU", "in RVU, says unit"),
        ("Volume [RVU]", "", "in RVU, says the column's name"),
        ("vol", "mL", "looks like an uncalibrated conductance signal (RVU), or uL"),
        ("vol_ul", "", "runs from 0.019 to 0.027 mL"),
    ],
)
def test_volumes_that_are_no_millilitres(tmp_path, header, unit, words):
    volume = 23.0 + 4.0 * np.cos(2 * np.pi * T / 0.8)
    content = text(f"time_s,abp_mmhg,{header}", rows(T, P, volume))
    more = COLUMN + f'[[waveform]]\nfile = "beat.csv"\ncolumn = "{header}"\n'
    more += 'signal = "lv_volume"\n' + (f'unit = "{unit}"\n' if unit else "")
    record, found = read(tmp_path, content, more)
    assert record is None and words in found[0].message
    assert "alibrate it" in found[0].fix or "ul" in header


def test_microlitres_of_a_patient_are_a_thousandth_millilitres(tmp_path):
    volume = 90_000 + 40_000 * np.cos(2 * np.pi * T / 0.8)
    content = text("time_s,abp_mmhg,vol_ul", rows(T, P, volume))
    more = COLUMN + '[[waveform]]\nfile = "beat.csv"\ncolumn = "vol_ul"\n'
    record, found = read(tmp_path, content, more + 'signal = "lv_volume"\n')
    assert found == []
    assert record.waveforms[1].value.max() == pytest.approx(130.0, abs=0.1)


CASES = {
    "bigeminy": ("r", "r2"), "decimal_comma_last_column": ("r", "rk"),
    "flush_inside_range": ("s",), "kpa_as_mmhg": ("k1", "k2", "k3"),
    "rvu_volume": ("a", "b"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_shared_cases_are_refused(shared_cases, case):
    folder = shared_cases("records") / case
    for name in CASES[case]:
        record, found = examine.examine(folder / f"{name}.toml")
        assert record is None and len(found) == 1
        assert "37.5" not in found[0].fix


def test_shared_cases_that_are_exports_are_read(shared_cases):
    folder = shared_cases("records")
    for path, n in (
        ("labchart_text/a.toml", 5625), ("physiobank_units_row/r.toml", 5625),
        ("physiobank_units_row/r1.toml", 5625), ("physiobank_units_row/r3.toml", 5625),
    ):  # fmt: skip
        record, found = examine.examine(folder / path)
        assert found == [] and record.waveforms[0].value.size == n
        assert record.heart_rate == pytest.approx(75.0, abs=0.1)
    (found,) = examine.problems(folder / "physiobank_units_row/r2.toml")
    assert "(39 such cells" in found.message and "from_s = 8.32" in found.fix
