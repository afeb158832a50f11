import json
from dataclasses import replace

import pytest

from atelier_export.gatys.curve_file import CurveFile
from atelier_export.gatys.optimisation import CurvePoint
from atelier_export.style import iterations_to_match
from atelier_export.style.evaluation import (
    EvaluationSettings,
    StyleEvaluationData,
    _spread,
    evaluate_style,
)
from atelier_export.style.iterations_to_match import Optimisation, median_iterations
from atelier_export.style.report import evaluation_tables

SMALL = EvaluationSettings(
    side=64, every=4, style_side=32, iterations=2, optimisation_images=1, precision="float32"
)


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    return tmp_path_factory.mktemp("curves") / "curves.jsonl"


@pytest.fixture(scope="module")
def evaluation(repository, photographs, paintings, vgg_file, curves):
    folder = paintings[0].parent
    return lambda settings=SMALL, kept=curves, network=repository, styles=(): evaluate_style(
        StyleEvaluationData(
            photographs, folder, vgg_file, network, styles, kept.with_name("out.json"), kept
        ),
        settings,
    )


@pytest.fixture(scope="module")
def result(evaluation):
    return evaluation()


def count_optimisations(monkeypatch, limit=None):
    """Counts the optimisations from here on; the one beyond the limit is interrupted."""
    original, started = iterations_to_match.paint, []

    def paint(perceptual_loss, photograph, style, settings):
        if len(started) == limit:
            raise KeyboardInterrupt
        started.append((style, settings.start))
        return original(perceptual_loss, photograph, style, settings)

    monkeypatch.setattr(iterations_to_match, "paint", paint)
    return started


def test_what_leaves_the_photograph_as_it_is_has_its_distances(result):
    red, blue = (result["distances"]["styles"][style] for style in ("red", "blue"))
    assert red["content"] == 0
    assert red["style"] == pytest.approx(red["photograph_style"], rel=1e-5) != 0
    assert blue["content"] > 0.001
    assert blue["style"] != blue["photograph_style"]
    assert blue["variation"] == pytest.approx(red["variation"], rel=1e-5)


def test_means_and_sums(result):
    distances = result["distances"]
    assert [(each["photograph"], each["painting"]) for each in distances["images"]] == [
        ("3.png", "red"), ("3.png", "blue"), ("7.png", "red"), ("7.png", "blue"),
    ]  # fmt: skip
    for each in distances["images"]:
        total = each["content"] + 5 * each["style"] + 0.2 * each["variation"]
        assert each["loss"] == pytest.approx(total, rel=1e-5)
    for term in ("content", "style", "variation", "loss", "photograph_style"):
        blue = [each[term] for each in distances["images"] if each["painting"] == "blue"]
        assert distances["styles"]["blue"][term] == pytest.approx(sum(blue) / 2)
        both = [distances["styles"][style][term] for style in ("red", "blue")]
        assert distances["all"][term] == pytest.approx(sum(both) / 2)


def test_what_only_maps_colours_is_as_stable_as_the_photograph(result):
    stability = result["stability"]
    assert stability["photographs"]["moved"] == 0
    assert stability["photographs"]["noise"] == pytest.approx(1.2, abs=0.05)  # of -2, -1, 0, 1, 2
    for style in ("red", "blue"):
        assert stability["styles"][style] == pytest.approx(stability["photographs"])
    assert stability["all"] == pytest.approx(stability["photographs"])


def test_what_counts_is_the_first_iteration_that_is_as_good(result, curves):
    kept = [json.loads(line) for line in curves.read_text().splitlines()]
    assert len(kept) == 4  # two styles, two starts, one photograph
    assert all(len(record["curve"]) == SMALL.iterations + 1 for record in kept)
    # The photograph left as it is, is what the optimisation from it begins with.
    unchanged = result["iterations_to_match"]["photograph"]["images"][0]
    assert unchanged["painting"] == "red"
    assert unchanged["iterations"] in (0, 1)  # they are equal but for rounding
    assert unchanged["network_loss"] == pytest.approx(kept[1]["curve"][0][-1], rel=1e-5)
    assert unchanged["least_loss"] < unchanged["network_loss"]
    noise = result["iterations_to_match"]["noise"]
    assert noise["styles"] == {"red": None, "blue": None}  # two iterations do not get so far
    assert [point["iteration"] for point in noise["curve"]] == [0, 2]
    assert noise["curve"][0]["loss"] == pytest.approx(
        (kept[0]["curve"][0][-1] + kept[2]["curve"][0][-1]) / 2
    )


def test_counts_and_medians():
    curve = [CurvePoint(number, number + 1, 0, 0, 0, loss) for number, loss in enumerate((9, 5, 2))]
    optimisation = Optimisation("a", "red", "noise", curve)
    assert [optimisation.iterations_to(loss) for loss in (10, 5, 4.9, 1)] == [0, 1, 2, None]
    assert optimisation.at(1).loss == 5
    assert optimisation.at(50).loss == 2
    assert median_iterations([3, None, 5]) == 5
    assert median_iterations([3, 4]) == 3.5
    assert median_iterations([3, None]) is None
    assert median_iterations([None, 3, None]) is None


def test_curves_serve_every_network(evaluation, publish, result, tmp_path, monkeypatch):
    started = count_optimisations(monkeypatch)
    other = publish(tmp_path / "other", ("blue", "red"))
    again = evaluation(network=other)
    assert not started
    assert again["iterations_to_match"]["photograph"]["styles"].keys() == {"blue", "red"}
    assert again["distances"] != result["distances"]
    evaluation(replace(SMALL, iterations=1))
    assert not started


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        ({"iterations": 3}, 4),
        ({"style_weight": 1.0}, 4),
        ({"style_side": 40}, 4),
        ({"side": 72}, 4),
        ({"seed": 1}, 2),  # the start from the photograph has no noise
        ({"optimisation_images": 2}, 4),
    ],
)
def test_other_settings_take_curves_of_their_own(
    evaluation, result, curves, tmp_path, monkeypatch, change, computed
):
    kept = tmp_path / "curves.jsonl"
    kept.write_bytes(curves.read_bytes())
    started = count_optimisations(monkeypatch)
    monkeypatch.setattr(CurveFile, "append", lambda *arguments: None)
    shortened = replace(SMALL, **change)
    evaluation(shortened, kept)
    assert len(started) == computed


@pytest.mark.parametrize(
    ("count", "chosen"), [(0, []), (1, [5]), (4, [1, 3, 6, 8]), (99, [*range(10)])]
)
def test_the_optimised_photographs_are_spread_evenly(count, chosen):
    assert _spread(range(10), count) == chosen


def test_an_interrupted_evaluation_goes_on(evaluation, result, tmp_path, monkeypatch):
    kept = tmp_path / "curves.jsonl"
    with monkeypatch.context() as patch:
        count_optimisations(patch, limit=3)
        with pytest.raises(KeyboardInterrupt):
            evaluation(kept=kept)
    kept.write_bytes(kept.read_bytes()[:-20])  # as if it had been killed while it wrote the third
    started = count_optimisations(monkeypatch)
    again = evaluation(kept=kept)
    assert started == [(1, "noise"), (1, "photograph")]
    assert again["iterations_to_match"] == result["iterations_to_match"]
    count = len(started)
    assert evaluation(kept=kept) == again
    assert len(started) == count


def test_lines_that_hold_no_curve_are_skipped(result, curves, tmp_path, caplog):
    kept = tmp_path / "curves.jsonl"
    (first, *_) = curves.read_text().splitlines()
    kept.write_text(f'{first}\n3\n[{first}]\n{{"key": {{}}, "iterations": 5}}\n{first[:-20]}')
    record = json.loads(first)
    file = CurveFile(kept)
    assert file.find(record["key"], 2) == [CurvePoint(*point) for point in record["curve"]]
    assert file.find({}, 5) is None
    assert "4 lines hold no complete curve" in caplog.text


@pytest.mark.parametrize("content", [b'{\n "settings": {\n  "side": 256\n }\n}\n', b"\x89PNG\r\n"])
def test_a_file_of_other_things_is_not_appended_to(tmp_path, content):
    other = tmp_path / "evaluation.json"
    other.write_bytes(content)
    with pytest.raises(ValueError, match="is not a curve file"):
        CurveFile(other)
    assert other.read_bytes() == content


def test_the_evaluation_can_be_left_without_the_optimisation(evaluation, tmp_path):
    kept = tmp_path / "curves.jsonl"
    settings = replace(SMALL, optimisation_images=0)
    result = evaluation(settings, kept, styles=("blue",))
    assert not kept.exists()
    assert result["iterations_to_match"] == {}
    assert result["distances"]["styles"].keys() == result["stability"]["styles"].keys() == {"blue"}
    assert "iterations_to_match" not in evaluation_tables(result)


def test_tables(result):
    result = json.loads(json.dumps(result))
    counted = result["iterations_to_match"]["noise"]
    counted["styles"]["blue"], counted["styles"]["red"] = 1.5, None
    for row in counted["images"]:
        row["iterations"] = None
    tables = "\n\n".join(evaluation_tables(result).values())
    lines = tables.splitlines()
    means = result["distances"]["styles"]["blue"]
    assert any(
        line.startswith(f"| blue | {means['content']:.3f} | {means['style']:.3f} |")
        for line in lines
    )
    assert any(line.startswith("| red | >2 |") for line in lines)
    assert any(line.startswith("| blue | 1.5 |") for line in lines)
    assert ">2: the network's sum was not reached within 2 iterations" in tables
    assert "Mean distances over 2 held-out photographs, the middle 64×64 pixels of each" in tables
    assert "median over 1 photograph a style" in tables
    assert any(line.startswith("| the photographs | 0.00 | 1.") for line in lines)
    for table in tables.split("\n\n"):
        widths = {line.count(" | ") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1
