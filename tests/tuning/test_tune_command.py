import pytest
from click.testing import CliRunner

from atelier_tuning.commands import tune
from fakes.style_network import IN_TWO_STYLES, write_style

FEW = ("--shape", "image:16,16,3", "--shape", "style:2", "--delays", "0")
"""Images and weights, and arrangements that differ in their instances and threads only."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    write_style(folder, IN_TWO_STYLES, max_batch=2)
    return folder


def run(repository, *arguments):
    return CliRunner().invoke(tune, [*arguments, "--model-repository", str(repository)])


def test_all_arrangements_are_measured_and_one_is_proposed(repository):
    before = (repository / "style" / "config.pbtxt").read_text()
    result = run(repository, "style", *FEW, "--rounds", "1", "--seconds", "0.1")
    assert result.exit_code == 0, result.output
    rows = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert len(rows) >= 2 + 2
    assert sum(row.startswith("| chosen") for row in rows) == 1
    assert all("/s" in row for row in rows[2:])
    assert "instance_group {" in result.stdout
    assert (repository / "style" / "config.pbtxt").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "there is no"),
        (["style"], "--shape image:256,256,3"),
        (["style", "--shape", "image:a"], "'image:a' is no shape: write image:256,256,3"),
        (["style", "--delays", "soon"], "'soon' is no list of milliseconds"),
    ],
)
def test_what_cannot_be_tuned_is_said_before_anything_starts(repository, arguments, message):
    result = run(repository, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_model_that_does_not_load_is_named(repository, tmp_path):
    write_style(tmp_path, IN_TWO_STYLES)
    (tmp_path / "style" / "1" / "model.onnx").write_bytes(b"broken")
    result = run(tmp_path, "style", *FEW)
    assert result.exit_code == 1
    assert "style_0" in result.output
