import itertools
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image

from atelier_export import style_worth
from atelier_export.evaluate_commands import evaluate
from atelier_export.evaluate_style import EvaluationSettings, _spread, evaluate_style
from atelier_export.evaluation_tables import evaluation_tables
from atelier_export.held_out import HeldOut, held_out_photographs
from atelier_export.manifest import Manifest
from atelier_export.optimisation_curves import CurveFile
from atelier_export.paint import CurvePoint, LossWeights
from atelier_export.published_style import PublishedStyle
from atelier_export.style_calm import measure_calm
from atelier_export.style_worth import Optimisation, median_iterations

SMALL = EvaluationSettings(
    side=64, every=4, style_side=32, iterations=2, optimisation_photographs=1, precision="float32"
)


def graph(styles=2):
    """A network whose style 0 leaves a picture as it is, and whose style 1 inverts it."""
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "x"], ["inverted"]),
        *itertools.chain.from_iterable(
            (
                helper.make_node("Gather", ["style", f"place{number}"], [f"w{number}"], axis=1),
                helper.make_node("Reshape", [f"w{number}", "shape"], [f"v{number}"]),
                helper.make_node("Mul", [f"v{number}", picture], [f"part{number}"]),
            )
            for number, picture in enumerate(("x", "inverted"))
        ),
        helper.make_node("Add", ["part0", "part1"], ["y"]),
        helper.make_node("Cast", ["y"], ["stylized"], to=TensorProto.UINT8),
    ]
    constants = [
        helper.make_tensor("white", TensorProto.FLOAT, [], [255]),
        helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 1, 1]),
        helper.make_tensor("place0", TensorProto.INT64, [1], [0]),
        helper.make_tensor("place1", TensorProto.INT64, [1], [1]),
    ]
    picture = ["batch", "height", "width", 3]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "style",
            [
                helper.make_tensor_value_info("image", TensorProto.UINT8, picture),
                helper.make_tensor_value_info("style", TensorProto.FLOAT, ["batch", styles]),
            ],
            [helper.make_tensor_value_info("stylized", TensorProto.UINT8, picture)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def publish(repository, styles=("red", "blue"), version=1, content=None):
    folder = repository / "style" / str(version)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph() if content is None else content)
    (folder / "manifest.json").write_bytes(Manifest({"styles": styles}, {}).to_json())
    return repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    return tmp_path_factory.mktemp("curves") / "curves.jsonl"


@pytest.fixture(scope="module")
def evaluation(repository, photographs, paintings, vgg_file, curves):
    folder = paintings[0].parent
    return lambda settings=SMALL, kept=curves, network=repository, styles=(): evaluate_style(
        network, photographs, folder, vgg_file, kept, settings, styles
    )


@pytest.fixture(scope="module")
def result(evaluation):
    return evaluation()


def count_optimisations(monkeypatch, limit=None):
    """Counts the optimisations from here on; the one beyond the limit is interrupted."""
    original, started = style_worth.paint, []

    def paint(perceptual_loss, photograph, style, settings):
        if len(started) == limit:
            raise KeyboardInterrupt
        started.append((style, settings.start))
        return original(perceptual_loss, photograph, style, settings)

    monkeypatch.setattr(style_worth, "paint", paint)
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
    assert [(each["photograph"], each["painting"]) for each in distances["pictures"]] == [
        ("3.png", "red"), ("3.png", "blue"), ("7.png", "red"), ("7.png", "blue"),
    ]  # fmt: skip
    for each in distances["pictures"]:
        total = each["content"] + 5 * each["style"] + 0.2 * each["variation"]
        assert each["loss"] == pytest.approx(total, rel=1e-5)
    for term in ("content", "style", "variation", "loss", "photograph_style"):
        blue = [each[term] for each in distances["pictures"] if each["painting"] == "blue"]
        assert distances["styles"]["blue"][term] == pytest.approx(sum(blue) / 2)
        both = [distances["styles"][style][term] for style in ("red", "blue")]
        assert distances["all"][term] == pytest.approx(sum(both) / 2)


def test_what_only_maps_colours_is_as_calm_as_the_photograph(result):
    calm = result["calm"]
    assert calm["photographs"]["moved"] == 0
    assert calm["photographs"]["noise"] == pytest.approx(1.2, abs=0.05)  # of -2, -1, 0, 1, 2
    for style in ("red", "blue"):
        assert calm["styles"][style] == pytest.approx(calm["photographs"])
    assert calm["all"] == pytest.approx(calm["photographs"])


def test_a_grid_that_stands_still_is_not_calm():
    photograph = HeldOut("plain", np.full((64, 64, 3), 128, np.uint8))
    rows = (np.arange(64) % 2 * 10).astype(np.uint8)[:, None, None]
    (calm,) = measure_calm(lambda pixels: pixels + rows, [photograph], 0)
    assert calm.moved == 10
    assert calm.noise == pytest.approx(1.2, abs=0.05)


def test_what_the_edge_does_is_no_lack_of_calm():
    def framed(pixels):
        painted = pixels.copy()
        painted[:10] = painted[-10:] = painted[:, :10] = painted[:, -10:] = 0
        return painted

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (calm,) = measure_calm(framed, [HeldOut("noise", noise)], 0)
    assert calm.moved == 0


def test_the_smallest_photographs_for_calm():
    photograph = HeldOut("noise", np.random.default_rng(0).integers(0, 256, (34, 34, 3), np.uint8))
    (calm,) = measure_calm(lambda pixels: pixels, [photograph], 0)
    assert calm.moved == 0
    with pytest.raises(ValueError, match="the side must be 48 pixels or more, not 47"):
        EvaluationSettings(side=47)


def test_the_noise_is_the_same_each_time_and_another_for_each_photograph():
    plain = HeldOut("plain", np.full((64, 64, 3), 128, np.uint8))
    seen = []

    def watching(pixels):
        seen.append(pixels)
        return pixels

    for _ in range(2):
        measure_calm(watching, [plain, plain], 3)
    noisy = seen[2::3]
    assert np.abs(noisy[0].astype(int) - 128).max() == 2
    assert (noisy[0] != noisy[1]).any()
    np.testing.assert_array_equal(noisy[:2], noisy[2:])


def test_the_worth_is_the_first_iteration_that_is_as_good(result, curves):
    kept = [json.loads(line) for line in curves.read_text().splitlines()]
    assert len(kept) == 4  # two styles, two starts, one photograph
    assert all(len(record["curve"]) == SMALL.iterations + 1 for record in kept)
    # The photograph left as it is, is what the optimisation from it begins with.
    unchanged = result["worth"]["photograph"]["pictures"][0]
    assert unchanged["painting"] == "red"
    assert unchanged["iterations"] in (0, 1)  # they are equal but for rounding
    assert unchanged["network_loss"] == pytest.approx(kept[1]["curve"][0][-1], rel=1e-5)
    assert unchanged["least_loss"] < unchanged["network_loss"]
    noise = result["worth"]["noise"]
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


def test_curves_serve_every_network(evaluation, result, tmp_path, photographs, monkeypatch):
    started = count_optimisations(monkeypatch)
    other = publish(tmp_path / "other", ("blue", "red"))
    again = evaluation(network=other)
    assert not started
    assert again["worth"]["photograph"]["styles"].keys() == {"blue", "red"}
    assert again["distances"] != result["distances"]
    evaluation(replace(SMALL, iterations=1))
    assert not started


@pytest.mark.parametrize(
    ("change", "computed"),
    [
        ({"iterations": 3}, 4),
        ({"weights": LossWeights(style=1)}, 4),
        ({"style_side": 40}, 4),
        ({"side": 72}, 4),
        ({"seed": 1}, 2),  # the start from the photograph has no noise
        ({"optimisation_photographs": 2}, 4),
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
    assert again["worth"] == result["worth"]
    count = len(started)
    assert evaluation(kept=kept) == again
    assert len(started) == count


def test_what_is_no_curve_is_passed_over(result, curves, tmp_path, caplog):
    kept = tmp_path / "curves.jsonl"
    (first, *_) = curves.read_text().splitlines()
    kept.write_text(f'{first}\n3\n[{first}]\n{{"key": {{}}, "iterations": 5}}\n{first[:-20]}')
    record = json.loads(first)
    file = CurveFile(kept)
    assert file.find(record["key"], 2) == [CurvePoint(*point) for point in record["curve"]]
    assert file.find({}, 5) is None
    assert "4 lines that hold no whole curve" in caplog.text


@pytest.mark.parametrize("content", [b'{\n "settings": {\n  "side": 256\n }\n}\n', b"\x89PNG\r\n"])
def test_a_file_of_other_things_is_not_appended_to(tmp_path, content):
    other = tmp_path / "evaluation.json"
    other.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of curves"):
        CurveFile(other)
    assert other.read_bytes() == content


def test_the_evaluation_can_be_left_without_the_optimisation(evaluation, tmp_path):
    kept = tmp_path / "curves.jsonl"
    settings = replace(SMALL, optimisation_photographs=0)
    result = evaluation(settings, kept, styles=("blue",))
    assert not kept.exists()
    assert result["worth"] == {}
    assert result["distances"]["styles"].keys() == result["calm"]["styles"].keys() == {"blue"}
    assert "iterations" not in evaluation_tables(result)


def test_tables(result):
    result = json.loads(json.dumps(result))
    worth = result["worth"]["noise"]
    worth["styles"]["blue"], worth["styles"]["red"] = 1.5, None
    for row in worth["pictures"]:
        row["iterations"] = None
    tables = evaluation_tables(result)
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


def test_the_newest_version_is_measured(tmp_path):
    publish(tmp_path, version=9, content=b"old")
    publish(tmp_path, version=10)
    (tmp_path / "style" / "11").mkdir()  # holds no model
    network = PublishedStyle(tmp_path)
    assert network.version == 10
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(network.paint(picture, "red"), picture)
    np.testing.assert_array_equal(network.paint(picture, "blue"), 255 - picture)


def test_repositories_that_cannot_be_measured(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no version with a model\.onnx"):
        PublishedStyle(tmp_path)
    publish(tmp_path / "three", ("red", "green", "blue"))
    with pytest.raises(ValueError, match=r"not an image and 3 weights\); export it again"):
        PublishedStyle(tmp_path / "three")
    publish(tmp_path / "broken", content=b"no graph")
    with pytest.raises(ValueError, match="ONNX Runtime refuses the graph"):
        PublishedStyle(tmp_path / "broken")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"No such file or directory.*manifest\.json.*export it again"),
        (b"{", r"style/1 cannot be evaluated.*export it again"),
        (b'{"measured": {}}', r"manifest\.json names no styles; export it again"),
        (b'{"styles": null, "measured": {}}', "names no styles"),
    ],
)
def test_a_version_without_its_manifest_cannot_be_measured(tmp_path, content, message):
    manifest = publish(tmp_path) / "style" / "1" / "manifest.json"
    manifest.unlink()
    if content is not None:
        manifest.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        PublishedStyle(tmp_path)


def test_photographs_are_held_out_as_in_the_training(photographs):
    chosen = held_out_photographs(photographs, 4, 64)
    assert [each.name for each in chosen] == ["3.png", "7.png"]
    assert {each.pixels.shape for each in chosen} == {(64, 64, 3)}
    assert len({each.sha256 for each in chosen}) == 2
    assert len(held_out_photographs(photographs, 1, 64)) == 8


def run_command(repository, photographs, paintings, vgg_file, output, *options):
    return CliRunner().invoke(
        evaluate,
        ["style", "--model-repository", str(repository), "--photographs", str(photographs),
         "--paintings", str(paintings[0].parent), "--vgg", str(vgg_file), "-o", str(output),
         "--side", "64", "--every", "8", "--style-side", "32", "--iterations", "1",
         "--optimisation-photographs", "1", "--precision", "float32", *options],
    )  # fmt: skip


def test_the_command_writes_json_and_prints_tables(
    repository, photographs, paintings, vgg_file, tmp_path
):
    output = tmp_path / "quality.json"
    arguments = (repository, photographs, paintings, vgg_file, output)
    result = run_command(*arguments, "--styles", "blue", "--starts", "photograph")
    assert result.exit_code == 0, result.output
    record = json.loads(output.read_text())
    assert evaluation_tables(record) in result.output
    assert record["settings"]["starts"] == ["photograph"]
    assert record["settings"]["weights"] == {"content": 1, "style": 5, "variation": 0.2}
    assert record["model"]["version"] == 1
    assert list(record["data"]["paintings"]) == ["blue"]
    assert list(record["data"]["photographs"]) == ["7.png"]
    assert str(tmp_path) not in output.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.jsonl", "quality.json"]


def test_what_cannot_be_evaluated_is_named(repository, photographs, paintings, vgg_file, tmp_path):
    output = tmp_path / "quality.json"
    arguments = (repository, photographs, paintings, vgg_file, output)
    green = run_command(*arguments, "--styles", "red,green")
    assert green.exit_code == 1
    assert "the network has no style green; it has red, blue" in green.output
    nowhere = run_command(*arguments[:-1], tmp_path / "missing" / "quality.json")
    assert nowhere.exit_code == 1
    assert "there is no folder" in nowhere.output
    curves = run_command(*arguments, "--curves", str(tmp_path / "missing" / "curves.jsonl"))
    assert curves.exit_code == 1
    assert f"there is no folder {str(tmp_path / 'missing')!r}" in curves.output
    one = run_command(*arguments, "--curves", str(tmp_path / "." / "quality.json"))
    assert one.exit_code == 1
    assert "cannot hold the curves too" in one.output
    start = run_command(*arguments, "--starts", "noise,black")
    assert start.exit_code == 2
    assert "'black' is neither noise nor photograph" in start.output
    elsewhere = tmp_path / "red" / "red.png"
    elsewhere.parent.mkdir()
    Image.open(paintings[0]).save(elsewhere)
    alone = run_command(repository, photographs, [elsewhere], vgg_file, output)
    assert alone.exit_code == 1
    assert "has no blue; it has red" in alone.output
    assert not output.exists()
