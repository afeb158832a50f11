import json

from click.testing import CliRunner
from PIL import Image

from atelier_export.commands.groups import evaluate
from atelier_export.style.report import evaluation_tables


def run_command(repository, photographs, paintings, vgg_file, output, *options):
    return CliRunner().invoke(
        evaluate,
        ["style", "--model-repository", str(repository), "--images", str(photographs),
         "--paintings", str(paintings[0].parent), "--vgg", str(vgg_file), "-o", str(output),
         "--curves", str(output.with_name("curves.jsonl")),
         "--side", "64", "--every", "8", "--style-side", "32", "--iterations", "1",
         "--optimisation-images", "1", "--precision", "float32", *options],
    )  # fmt: skip


def test_the_command_writes_json_and_prints_tables(
    repository, photographs, paintings, vgg_file, tmp_path
):
    output = tmp_path / "quality.json"
    arguments = (repository, photographs, paintings, vgg_file, output)
    result = run_command(*arguments, "--styles", "blue", "--starts", "photograph")
    assert result.exit_code == 0, result.output
    record = json.loads(output.read_text())
    for table in evaluation_tables(record).values():
        assert table in result.output
    assert record["settings"]["starts"] == ["photograph"]
    assert record["settings"]["style_weight"] == 5
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
    (tmp_path / "file").touch()
    curves = run_command(*arguments, "--curves", str(tmp_path / "file" / "curves.jsonl"))
    assert curves.exit_code == 1
    assert str(tmp_path / "file") in curves.output
    one = run_command(*arguments, "--curves", str(tmp_path / "." / "quality.json"))
    assert one.exit_code == 1
    assert "cannot hold the curves too" in one.output
    start = run_command(*arguments, "--starts", "noise,black")
    assert start.exit_code == 2
    assert "starts must be noise or photograph, not 'black'" in start.output
    elsewhere = tmp_path / "red" / "red.png"
    elsewhere.parent.mkdir()
    Image.open(paintings[0]).save(elsewhere)
    alone = run_command(repository, photographs, [elsewhere], vgg_file, output)
    assert alone.exit_code == 1
    assert "has no blue; it has red" in alone.output
    assert not output.exists()
