"""The page of a report in a real browser, on a wide and on a narrow screen, light and dark."""

import pytest

from atelier._loadtest.report.page import page
from fakes.browser import CHROMIUM, browser
from fakes.load_report import load_report

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="reports were not looked at in a browser: there is no Chromium (apt install chromium)",
)

OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
SHOWN = "[...document.querySelectorAll('section svg[role=img]')].filter(e => e.clientWidth > 0)"
# Texts of charts that reach out of their chart, and so are cut off.
CUT_OFF = f"""{SHOWN}.flatMap(chart => {{
    const frame = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('text')].filter(text => {{
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1;
    }}).map(text => text.textContent);
}})"""
SMALLEST_TEXT = f"""Math.min(...{SHOWN}.flatMap(chart => [...chart.querySelectorAll('text')].map(
    text => parseFloat(getComputedStyle(text).fontSize) * chart.clientWidth
        / chart.viewBox.baseVal.width)))"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    kinds = ("Unreachable", "Overloaded", *[""] * 18)
    report = load_report((10, 40, 80), 60, failure=lambda number: kinds[number % 20])
    file = tmp_path_factory.mktemp("report") / "run.html"
    file.write_text(page(report))
    return file


@pytest.mark.parametrize("width", [1280, 700, 360])
def test_it_fits_the_screen(tab, file, width):
    tab.open(file, width)
    assert not tab.value(OVERFLOWS)
    # Two of the rates, the histogram, four over time, the split, and the sizes of batches.
    assert tab.value(f"{SHOWN}.length") == 9
    assert tab.value(CUT_OFF) == []
    assert tab.value(SMALLEST_TEXT) >= 11


def test_it_is_dark_for_those_who_ask_for_it(tab, file):
    tab.open(file, 1280)
    light = tab.value(BACKGROUND)
    tab.open(file, 1280, dark=True)
    assert (light, tab.value(BACKGROUND)) == ("rgb(246, 247, 249)", "rgb(14, 17, 22)")


def test_bars_have_a_colour_of_their_own(tab, file):
    tab.open(file, 1280)
    fills = tab.value(
        "['kind-0', 'kind-1', 'part-queue', 'part-compute'].map("
        "name => getComputedStyle(document.querySelector(`svg[role=img] .${name}`)).fill)"
    )
    assert len(set(fills)) == 4
    assert fills[0].startswith('url("#pattern-0")')


def test_it_complains_of_nothing_and_fetches_nothing(tab, file):
    tab.open(file, 360)
    assert tab.complaints == []
    assert set(tab.requested) == {file.as_uri()}
