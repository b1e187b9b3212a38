"""The report: one file, nothing from the network, every part where it belongs."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from synthetic_report import example

from cordax import plot, report
from cordax.report_parts import number, signed, spread, words


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
def page() -> str:
    return report.html(example())


def test_the_page_asks_the_network_for_nothing(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(a.startswith(("#", "data:")) for a in reader.addresses)
    assert len(set(reader.ids)) == len(reader.ids)
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    assert {a[1:] for a in reader.addresses if a.startswith("#")} <= set(reader.ids)


def test_a_request_would_be_seen(page):
    reader = Reader()
    reader.feed(page.replace("<main>", '<main><img src="//a.b/c.png">'))
    assert not all(a.startswith(("#", "data:")) for a in reader.addresses)


def test_it_says_what_a_report_must_say(page):
    text = re.sub(r"<[^>]+>", " ", page)
    for said in (
        "not a medical device",
        "20260101",
        "prior only",
        "reflex blunted (loop gain 0.4",
        "LV ejection fraction",
        "follows from pressures and output",
        "They do not see left ventricular stiffness",
        "RMSE 1.90 mmHg (fitted)",
        "0.10.2",
        "Divergences",
        "transfer element",
    ):
        assert said in text, said


def test_the_same_data_make_the_same_page(page):
    assert report.html(example()) == page


def test_empty_parts_leave_their_section_out():
    bare = replace(
        example(),
        waveforms=(),
        loops=(),
        whatifs=(),
        identifiability=(),
        assumptions=(),
    )
    page = report.html(replace(bare, diagnostics=()))
    for key in ("waveforms", "loops", "whatifs", "identifiability", "assumptions"):
        assert f'id="{key}"' not in page
    assert 'id="observations"' in page


def test_text_of_a_record_cannot_become_markup():
    data = replace(example(), title="<script>alert(1)</script>", patient={"<b>": "&"})
    page = report.html(data)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_it_is_written_whole(tmp_path):
    path = report.write(example(), tmp_path / "a.html")
    assert path.read_text().endswith("</html>\n")


def test_the_picture_for_a_readme(tmp_path):
    path = plot.overview(example(), tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no waveform"):
        plot.overview(replace(example(), waveforms=(), loops=()), tmp_path / "b.png")


def test_drawing_changes_nothing_outside(page):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plot.loop_svg(example().loops[0], "a")
    assert dict(matplotlib.rcParams) == before


def test_nothing_is_drawn_before_it_is_asked_for():
    program = (
        "import cordax.report, cordax.plot, sys\nassert 'matplotlib' not in sys.modules"
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
        (0.0, "0.0000"),
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


def test_loops_of_one_draw_can_be_drawn():
    loop = example().loops[1]
    one = replace(loop, volume=loop.volume[:1], pressure=loop.pressure[:1])
    assert plot.loop_svg(one, "k").startswith("<svg")
    assert np.shape(one.volume)[0] == 1
