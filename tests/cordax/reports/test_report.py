"""The report of a small real twin: one file, nothing from the network, every part and
every number where it belongs."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pages import COMMON, in_common, numbers, row

from cordax.reports import page as report
from cordax.reports.csv_tables import write_csv
from cordax.reports.figures import circulation as plot
from cordax.reports.html import number, signed, spread, words


class Reader(HTMLParser):
    """Collects identifiers and every address, and checks that tags close."""

    def __init__(self):
        super().__init__()
        self.ids, self.addresses, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(shown) -> str:
    return report.render(shown)


def requests(addresses: list[str]) -> list[str]:
    """Those addresses that a browser would fetch."""
    return [a for a in addresses if not a.startswith(("#", "data:"))]


def test_the_page_asks_the_network_for_nothing(page, record_property):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    record_property("requests", len(requests(reader.addresses)))
    assert requests(reader.addresses) == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    assert {a[1:] for a in reader.addresses if a.startswith("#")} <= set(reader.ids)


def test_a_request_would_be_seen(page):
    reader = Reader()
    reader.feed(page.replace("<main>", '<main><img src="//a.b/c.png">'))
    assert requests(reader.addresses) == ["//a.b/c.png"]


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
_MEASURE = """<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), inside = frame.contentDocument;
  const body = inside.documentElement;
  document.title = `${body.scrollWidth} of ${frame.clientWidth}`;
});
</script>"""


def widths(page: str, width: int, folder: Path) -> tuple[int, int, str]:
    """Width (px) of the page in a window of a width, the window's, and what a browser
    complained about. A frame may be narrower than the narrowest window."""
    frame = f'<iframe style="border:0" width="{width}" height="900" srcdoc="'
    path = folder / f"{width}.html"
    path.write_text(f'<meta charset="utf-8">{_MEASURE}{frame}{escape(page)}"></iframe>')
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    options += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [str(CHROMIUM), *options, "--virtual-time-budget=5000", path.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert found, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return int(found[1]), int(found[2]), "\n".join(console)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")
@pytest.mark.parametrize("width", [1200, 390], ids=["desktop", "phone"])
def test_nothing_overflows_on_a_screen(page, tmp_path, width):
    needed, there, complaints = widths(page, width, tmp_path)
    assert needed <= there == width
    assert complaints == ""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")
def test_nothing_overflows_on_paper(page, tmp_path):
    """The rules for print, in the width that A4 leaves between its margins."""
    printed = page.replace("@media print", "@media all")
    printed = printed.replace("@media screen and", "@media print and")
    needed, there, complaints = widths(printed, 703, tmp_path)  # 186 mm at 96 per inch
    assert needed <= there
    assert complaints == ""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt install chromium")
def test_an_overflow_and_an_error_would_be_seen(page, tmp_path):
    wide = '<main><div style="width:800px">x</div><script>nothing()</script>'
    needed, there, complaints = widths(page.replace("<main>", wide), 390, tmp_path)
    assert needed > there
    assert "nothing is not defined" in complaints


def test_it_says_what_a_report_must_say(page, shown):
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for said in (
        "not a medical device",
        "Seed 7",
        "prior only",
        "reflex blunted, loop gain",
        "LV ejection fraction",
        "fluid_bolus=500mL",
        "reflex.gain: prior only. Nothing measured at rest tells how strong",
        "follow from other numbers and were not fitted",
        "RMSE",
        "compared, clock aligned",
        shown.versions["jax"],
        "importance",
        "transfer element",
        "Johannes",  # where the recording comes from
        *shown.verdict,
    ):
        assert unescape(escape(said)) in unescape(text), said


#: As typed in cordax/patients/periop.toml.
TYPED = {
    "systolic_pressure": (92.7, "mmHg"),
    "diastolic_pressure": (49.1, "mmHg"),
    "mean_pressure": (64.6, "mmHg"),
    "central_venous_pressure": (5.0, "mmHg"),
    "cardiac_output": (4.7, "L/min"),
    "stroke_volume": (55.0, "mL"),
    "systemic_resistance": (12.5, "WU"),  # 1000 dyn s/cm^5, 80 of them
}


def test_values_with_their_labels_are_those_of_the_record(page, shown):
    assert {r.name for r in shown.observations} == set(TYPED)
    for r in shown.observations:
        value, label = TYPED[r.name]
        wanted = in_common(value, label)
        assert in_common(r.value, r.unit) == (wanted[0], pytest.approx(wanted[1]))
        cells = row(page, "observations", words(r.name))
        assert f" {label} " in f"{cells[0]} "
        assert numbers(cells[1]) == pytest.approx([value, r.sd], rel=6e-3)
        assert numbers(cells[3]) == pytest.approx([*r.predicted], rel=6e-3)
        assert numbers(cells[4])[0] == pytest.approx(r.residual, abs=6e-3)
        # above what is predicted: positive
        assert np.sign(r.residual) == np.sign(r.value - r.predicted.median)
        assert r.predicted.lower < r.predicted.median < r.predicted.upper


def test_indices_with_their_labels_agree_with_each_other(shown):
    """Medians of a product are near the product of medians: 5 %, a label is 16 off."""
    of = {r.name: in_common(r.value.median, r.unit)[1] for r in shown.indices
          if r.unit in COMMON}  # fmt: skip
    flow = of["cardiac_output"]
    assert flow == pytest.approx(
        of["stroke_volume"] * of["heart_rate"] / 60.0, rel=0.05
    )
    pressure = of["mean_pressure"] - of["central_venous_pressure"]
    assert pressure == pytest.approx(of["systemic_resistance"] * flow, rel=0.05)
    share = of["lv_stroke_volume"] / of["lv_end_diastolic_volume"]
    assert of["lv_ejection_fraction"] == pytest.approx(share, rel=0.05)


def test_prior_and_posterior_of_the_twin_stand_in_their_columns(page, asked_twin):
    draws = np.asarray(jax.vmap(asked_twin.start.space.physical)(
        jnp.asarray(asked_twin.draws))["systemic.resistance"])  # fmt: skip
    cells = row(page, "parameters", "Systemic, resistance")
    middle, low, high = numbers(cells[2])
    assert np.percentile(draws, [50, 5, 95]) == pytest.approx(
        [middle, low, high], rel=6e-3
    )
    prior = numbers(cells[1])
    assert prior[1] < low < high < prior[2] and prior[0] != middle
    spread = draws.std() / (0.5 * (prior[2] - prior[1]) / 1.645)
    assert numbers(cells[4])[0] == pytest.approx(spread, rel=0.5)
    assert cells[5] in ("by the data", "weakly")


def test_changes_of_the_twin_have_their_signs(page, asked_twin):
    (found,) = asked_twin.what_ifs
    for name, sign in (("central_venous_pressure", "▲"), ("stroke_volume", "▲")):
        cells, r = row(page, "whatif", words(name)), found.row(name)
        for cell, wanted in zip(cells[1:], (r.before, r.after, r.change), strict=True):
            assert numbers(cell) == pytest.approx([*wanted], rel=6e-3)
        assert sign in cells[3] and r.change.lower > 0.0
        moved = r.after.median - r.before.median
        assert r.change.median == pytest.approx(moved, rel=0.5)


def test_the_same_data_make_the_same_page(shown):
    few = {"waveforms": shown.waveforms[:1], "loops": shown.loops[:1]}
    first, again = (replace(shown, **few) for _ in range(2))
    assert report.render(first) == report.render(again)


def test_empty_parts_leave_their_section_out(shown):
    bare = replace(
        shown,
        waveforms=(),
        loops=(),
        whatifs=(),
        identifiability=(),
        assumptions=(),
    )
    page = report.render(replace(bare, diagnostics=()))
    for key in ("waveforms", "loops", "whatifs", "identifiability", "assumptions"):
        assert f'id="{key}"' not in page
    assert 'id="observations"' in page


def test_text_of_a_record_cannot_become_markup(shown):
    few = replace(shown, waveforms=(), loops=())
    data = replace(few, title="<script>alert(1)</script>", patient={"<b>": "&"})
    page = report.render(data)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_draws_of_different_lengths_are_no_table(shown, tmp_path):
    draws = {"a": np.ones(3), "b": np.ones((3, 2))}
    count = write_csv(tmp_path / "t", shown, draws)
    assert count["draws.csv"] == 3
    head = (tmp_path / "t" / "draws.csv").read_text().splitlines()[0]
    assert head == "a,b[0],b[1]"
    with pytest.raises(ValueError, match="different lengths"):
        write_csv(tmp_path / "u", shown, draws | {"c": np.ones(4)})


def test_it_is_written_whole(tmp_path, shown):
    few = replace(shown, waveforms=(), loops=())
    path = report.write(few, tmp_path / "a.html")
    assert path.read_text().endswith("</html>\n")


def test_the_picture_for_a_readme(tmp_path, shown):
    path = plot.overview(shown, tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no waveform"):
        plot.overview(replace(shown, waveforms=(), loops=()), tmp_path / "b.png")


def test_drawing_changes_nothing_outside(page, shown):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plot.loop_svg(shown.loops[0], "a")
    assert dict(matplotlib.rcParams) == before


def test_nothing_is_drawn_before_it_is_asked_for():
    program = (
        "import cordax.reports.page, cordax.reports.figures.circulation, sys\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (104.2, "104"),
        (64.94, "64.9"),
        (4.606, "4.61"),
        (0.0713, "0.0713"),
        (-0.9, "−0.90"),
        (0.0, "0"),
        (1.2e-5, "1.20e−05"),
        (float("nan"), "–"),
    ],
)
def test_numbers_have_about_three_digits(value, text):
    assert number(value) == text


def test_names_become_words():
    assert words("lv_end_diastolic_volume") == "LV end-diastolic volume"
    assert words("systemic.resistance") == "Systemic, resistance"
    assert words("ea_ees_ratio") == "Ea/Ees"
    assert "12.0" in spread((12.0, 11.0, 13.0))


def test_a_change_has_a_sign_and_an_arrow_where_it_is_sure():
    assert "▲" in signed((4.9, 1.5, 8.3))
    assert "+4.90" in signed((4.9, 1.5, 8.3))
    assert "▼" in signed((-4.9, -8.3, -1.5))
    assert "arrow" not in signed((0.9, -3.1, 4.0))


def test_loops_of_one_draw_can_be_drawn(shown):
    loop = shown.loops[1]
    one = replace(loop, volume=loop.volume[:1], pressure=loop.pressure[:1])
    assert plot.loop_svg(one, "k").startswith("<svg")
    assert np.shape(one.volume)[0] == 1
