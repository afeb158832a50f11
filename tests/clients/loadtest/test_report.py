"""The page of a report, as text; `test_report_in_browser.py` looks at it."""

import copy
import json
import re
import sys

import pytest
from click.testing import CliRunner

from atelier._cli.loadtest_reports import compare_command, report_command
from atelier._loadtest.report.markup import element
from atelier._loadtest.report.page import page
from atelier._loadtest.report.plot import Plot
from atelier._loadtest.report.scale import Scale, from_zero, logarithmic
from atelier._loadtest.terminal import milliseconds
from fakes.load_report import NASTY, load_report

SECTIONS = ("overview", "rates", "histogram", "timeline", "server", "about")


@pytest.fixture(scope="module")
def report():
    kinds = ("Unreachable", "Overloaded", "", "", "", "", "", "", "", "")
    return load_report((10, 40, 80), 60, failure=lambda number: kinds[number % 10])


@pytest.fixture(scope="module")
def text(report):
    return page(report)


def section(text, name):
    return re.search(rf'<section id="{name}">.*?</section>', text, re.DOTALL)[0]


def test_it_has_every_section_and_a_table_beside_every_chart(text):
    for name in SECTIONS:
        found = section(text, name)
        assert ("<svg" in found) == (name not in ("overview", "about"))
        assert ("<table" in found) == ("<svg" in found)


def test_what_comes_from_outside_stays_text(text):
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;") >= 3
    assert element("b", NASTY, title='"') == (
        '<b title="&quot;">&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;</b>'
    )


def test_nothing_is_fetched(text):
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^")>\s]*)', text)
    assert {address for address in addresses if not address.startswith(("data:", "#"))} == set()


def test_a_percentile_that_the_sample_cannot_carry_is_not_shown(report, text):
    few = load_report((10,), 10)
    requests = few["run"]["latency"]["requests"]
    assert requests < 459
    found = section(page(few), "histogram")
    assert f"(needs 459 requests; there are {requests})" in found
    assert not re.search(r">p99 [0-9]", found)
    # Of 200 requests at the first rate, there is a p95.
    assert "p99.9" in section(text, "rates")
    assert "mark p99-9" not in section(text, "rates")
    assert "mark p95" in section(text, "rates")


def test_exact_values_are_in_the_table_and_shown_to_those_who_point(report, text):
    found = section(text, "rates")
    for point in report["run"]["points"]:
        value = milliseconds(point["latency"]["p50"]["seconds"])
        assert f"<td>{value}<small>" in found
        assert re.search(rf"<title>{point['rate']:g}/s asked.*\np50: {value}\n", found)


def test_lines_and_bars_are_where_their_values_are():
    plot = Plot(182, 150, Scale(0, 100), Scale(0, 10))
    plot.line([(0, 0), (50, 5), (75, None), (100, 10)], "p50")
    plot.bar(0, 50, 0, 5, "count")
    # 58 pixels are left of the axis, 24 right of the chart, 10 above and 40 below it.
    shown = plot.svg("")
    assert 'd="M58.0,110.0L108.0,60.0"' in shown
    assert 'd="M158.0,10.0"' in shown
    assert '<rect x="58.0" y="60.0" height="50.0" width="49.0"' in shown


def test_one_rate_has_no_chart_of_several():
    assert 'id="rates"' not in page(load_report())


def test_errors_are_counted_by_kind(report, text):
    found = section(text, "timeline")
    for number, kind in enumerate(report["run"]["failures"]):
        assert f"kind-{number}" in found
        assert f"> {kind}<" in found
    first = report["run"]["intervals"][0]["failures"]
    counts = sorted(first.items(), key=lambda each: -each[1])
    assert ", ".join(f"{count} {kind}" for kind, count in counts) in found


def test_a_run_in_which_all_failed_has_a_page():
    text = page(load_report(failure=lambda number: "Unreachable"))
    assert "100.00%" in text
    assert ">failed<" in section(text, "histogram")


def test_a_run_that_nobody_answered_at_all_has_a_page():
    report = copy.deepcopy(load_report())
    report["run"].update(intervals=[], points=[], models={})
    report["server"] = {}
    assert "did not answer at the end" in page(report)


def searched(report):
    """The report of a search whose only trial is the run of another report."""
    evidence = {"p99<300ms": {"requests": 812, "late": 3, "independent": 700}}
    trial = {
        "rate": 20.0, "verdict": "holds", "queue_grew": False, "evidence": evidence,
        "latency": report["run"]["latency"],
    }  # fmt: skip
    capacity = {
        "objectives": ["p99<300ms"], "seconds": 40, "confidence": 0.99, "holds": 20.0,
        "fails": None, "queue_is_steady": 20.0, "queue_grows": None,
        "saturation": {"rate": 93.0, "callers": 8, "client_was_the_bottleneck": False},
        "throughputs": [{"callers": 8, "rate": 93.0}], "trials": [trial], "stopped": "",
    }  # fmt: skip
    return {**report, "capacity": capacity}


def test_a_search_for_the_capacity_has_a_section_of_its_own():
    report = load_report(rate=None, find_capacity=True, slo="p99<300ms")
    text = page(searched(report))
    assert "Capacity: p99&lt;300ms held at 20/s for 40 s." in section(text, "capacity")
    assert "<td>700</td><td>3</td><td>holds</td>" in section(text, "capacity")
    assert "are of the trial at" in section(text, "overview")
    assert 'id="capacity"' not in page(report)


def test_a_search_that_tried_nothing_has_a_page():
    text = page({**searched(load_report()), "run": None})
    assert re.findall('<section id="([a-z]+)">', text) == ["capacity", "server", "about"]


def test_a_closed_loop_is_said_to_hide_stalls():
    report = load_report(rate=None, callers=4)
    assert "stylize,classify with 4 callers in a closed loop" in page(report)
    assert "A closed loop hides stalls" in page(report)


def test_the_command_writes_the_page_of_a_json_file(tmp_path, report, text):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(report))
    result = CliRunner().invoke(report_command, [str(file)])
    assert result.output == f"{tmp_path / 'run.html'}\n"
    assert (tmp_path / "run.html").read_text() == text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON file"),
        ("[]", "is no report of atelier loadtest"),
        ('{"format": 2, "about": {}}', "has the format 2; this version reads 1"),
        ('{"format": 1, "about": {}}', "is no whole report: KeyError"),
    ],
)
def test_another_file_is_refused(tmp_path, content, complaint):
    file = tmp_path / "run.json"
    file.write_text(content)
    result = CliRunner().invoke(report_command, [str(file)])
    assert result.exit_code == 1
    assert complaint in result.output
    assert str(file) in result.output


@pytest.mark.parametrize(
    ("command", "code"), [([report_command, "a"], 1), ([compare_command, "a", "b"], 2)]
)
def test_a_missing_module_is_named_with_its_extra(monkeypatch, command, code):
    for module in [name for name in sys.modules if name.startswith("atelier._loadtest")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    result = CliRunner().invoke(*command[:1], command[1:])
    assert result.exit_code == code
    assert 'is missing: pip install "atelier-art[loadtest]"' in result.output


def test_axes_have_round_values_and_hold_all_of_theirs():
    assert from_zero([3, 47]).ticks(6) == [0, 10, 20, 30, 40, 50]
    assert from_zero([]).high == 1
    axis = logarithmic([0.004, 0.9])
    assert axis.low <= 0.004
    assert axis.high >= 0.9
    assert axis.ticks(3) == pytest.approx([0.01, 0.1, 1])
    assert Scale(1, 100, logarithmic=True).share(10) == pytest.approx(0.5)
    assert Scale(0, 10).share(20) == 1
