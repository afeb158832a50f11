import itertools
import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from atelier_export.commands.groups import paint as command
from atelier_export.data.images import read_upright, to_tensor
from atelier_export.gatys.luminance import luminance, match_luminance, with_luminance
from atelier_export.gatys.optimisation import PaintSettings, paint
from atelier_export.gatys.painting import PaintFiles, PaintRun, fit, paint_files
from atelier_export.losses.perceptual import PerceptualLoss
from atelier_export.losses.vgg import VGG19
from atelier_export.losses.weights import LossWeights

QUICK = PaintSettings(iterations=8, precision="float32")


class CountingLoss(PerceptualLoss):
    calls = 0

    def forward(self, *arguments):
        self.calls += 1
        return super().forward(*arguments)


@pytest.fixture
def photograph(photographs):
    return to_tensor(read_upright(photographs / "0.png").crop((0, 0, 24, 32)))


@pytest.fixture(scope="module")
def module_loss(vgg_file, paintings):
    examples = [to_tensor(Image.open(file).crop((0, 0, 32, 32))) for file in paintings]
    return CountingLoss(VGG19.load(vgg_file), examples)


@pytest.fixture
def loss(module_loss):
    module_loss.calls = 0
    return module_loss


def losses(stages):
    return [point.loss for point, _ in stages]


@pytest.mark.parametrize(
    ("start", "optimizer", "precision"),
    [
        ("photograph", "lbfgs", "float32"),
        ("photograph", "lbfgs", "bfloat16"),
        ("noise", "lbfgs", "float32"),
        ("photograph", "adam", "float32"),
        ("noise", "adam", "float32"),
    ],
)
def test_the_loss_falls(loss, photograph, start, optimizer, precision):
    settings = PaintSettings(iterations=15, start=start, optimizer=optimizer, precision=precision)
    stages = list(paint(loss, photograph, 1, settings))
    assert [point.iteration for point, _ in stages] == list(range(16))
    assert stages[-1][0].loss < 0.7 * stages[0][0].loss
    for point, image in stages:
        assert image.shape == photograph.shape
        assert 0 <= image.min() <= image.max() <= 1
        total = point.content + 5 * point.style + 0.2 * point.variation
        assert point.loss == pytest.approx(total, rel=1e-5)


def test_a_point_holds_the_loss_of_its_image(loss, photograph):
    point, image = list(paint(loss, photograph, 1, QUICK))[-1]
    distances = loss(image[None], loss.content(photograph[None]), torch.tensor([1]))
    assert point.content == pytest.approx(distances.content.item(), rel=1e-4)
    assert point.style == pytest.approx(distances.style.item(), rel=1e-4)
    assert point.variation == pytest.approx(distances.variation.item(), rel=1e-4)


def test_the_starts(loss, photograph):
    still = replace(QUICK, iterations=0)
    ((point, image),) = paint(loss, photograph, 0, still)
    assert torch.equal(image, photograph)
    assert point.content == 0
    noise = [
        next(paint(loss, photograph, 0, replace(still, start="noise", seed=seed)))[1]
        for seed in (1, 1, 2)
    ]
    assert torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])


def test_evaluations_are_counted_and_not_made_twice(loss, photograph):
    stages = list(paint(loss, photograph, 0, QUICK))
    assert stages[0][0].evaluations == 1
    assert stages[-1][0].evaluations == loss.calls
    # One an iteration, but for a few second tries of the line search.
    assert QUICK.iterations < loss.calls < 2 * QUICK.iterations


@pytest.mark.parametrize(
    ("start", "weights"),
    [
        ("photograph", {"content_weight": 0, "style_weight": 1, "variation_weight": 0}),
        ("noise", {"content_weight": 0, "style_weight": 0, "variation_weight": 1}),
    ],
)
def test_lbfgs_does_not_climb(loss, photograph, start, weights):
    # Whole steps, without a line search, would in either case.
    settings = replace(QUICK, iterations=20, start=start, **weights)
    curve = losses(paint(loss, photograph, 0, settings))
    assert all(after <= before * 1.0001 for before, after in itertools.pairwise(curve))


def test_an_image_of_black_and_white_alone_is_painted_too(loss):
    # Each of its values lies on a bound.
    checks = (torch.arange(48)[:, None] // 6 + torch.arange(32) // 6) % 2
    photograph = checks.float().expand(3, -1, -1)
    curve = losses(paint(loss, photograph, 0, replace(QUICK, iterations=15)))
    assert curve[-1] < 0.5 * curve[0]


def test_values_that_left_the_range_come_back(loss, vgg_file):
    # Light is wanted where values have been driven far below black, without any gradient there.
    from atelier_export.gatys.optimisation import _Objective

    white = torch.ones(3, 32, 32)
    bright = PerceptualLoss(VGG19.load(vgg_file), [white])
    objective = _Objective(bright, white, 0, QUICK)
    with torch.no_grad():
        objective.variable.fill_(-0.5)
    objective()
    assert (objective.variable.grad < 0).all()


def test_it_ends_where_nothing_is_better(loss, photograph):
    settings = replace(QUICK, style_weight=0, variation_weight=0)
    assert losses(paint(loss, photograph, 0, settings)) == [0]


def test_the_curve_of_this_method(loss, photograph):
    """Curves on disk are compared with new ones: if this changes, raise `paint.METHOD`."""
    curve = losses(paint(loss, photograph, 0, replace(QUICK, iterations=4)))
    assert curve == pytest.approx([0.4964, 0.4339, 0.3995, 0.3345, 0.2987], rel=0.01)


def test_weights_that_cannot_be_minimised_are_refused(loss, photograph):
    with pytest.raises(ValueError, match="style_weight must be a finite number from 0 up, not -1"):
        LossWeights(style_weight=-1)
    with pytest.raises(ValueError, match="content_weight must be a finite number"):
        LossWeights(content_weight=float("nan"))
    with pytest.raises(ValueError, match=r"the loss is (inf|nan); choose smaller weights"):
        list(paint(loss, photograph, 0, replace(QUICK, style_weight=3e38)))


def test_luminance_weighs_the_colours():
    red, green, blue = torch.eye(3)
    colours = torch.stack([red, green, blue, red + green + blue], dim=1)[:, None]
    expected = torch.tensor([0.299, 0.587, 0.114, 1]).expand(3, 1, 4)
    torch.testing.assert_close(luminance(colours), expected)


def test_luminance_alone_is_exchanged(photograph):
    other = photograph.flip(1) * 0.2 + 0.4
    mild = photograph * 0.2 + 0.4
    mixed = with_luminance(mild, other)
    torch.testing.assert_close(luminance(mixed), luminance(other))
    chroma = torch.tensor([[0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])  # I and Q
    torch.testing.assert_close(
        torch.einsum("ic,chw->ihw", chroma, mixed),
        torch.einsum("ic,chw->ihw", chroma, mild),
        rtol=0,
        atol=1e-5,
    )
    torch.testing.assert_close(with_luminance(photograph, photograph), photograph)


def test_a_painting_gets_the_photographs_range_of_light(photograph):
    painting = torch.rand(3, 30, 20) * 0.1
    matched = match_luminance(painting, photograph)
    assert matched.shape == painting.shape
    assert matched.mean() == pytest.approx(luminance(photograph).mean().item(), abs=1e-4)
    assert matched.std() == pytest.approx(luminance(photograph).std().item(), rel=0.01)
    assert match_luminance(torch.full((3, 20, 20), 0.5), photograph).isfinite().all()


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((1000, 500), 512, (512, 256)),
        ((500, 1001), 100, (50, 100)),
        ((300, 200), 512, (300, 200)),
        ((3000, 20), 512, (512, 16)),
        ((1, 1), 512, (16, 16)),
    ],
)
def test_sizes_to_work_at(size, side, expected):
    assert fit(Image.new("RGB", size), side).size == expected


def run_command(photographs, paintings, vgg_file, output, *options):
    return CliRunner().invoke(
        command,
        [str(photographs / "7.png"), str(paintings[0]), "-o", str(output), "--vgg", str(vgg_file),
         "--style-side", "32", *options],
    )  # fmt: skip


def test_the_command_leaves_picture_curve_and_drawing(
    photographs, paintings, vgg_file, tmp_path, caplog
):
    caplog.set_level("INFO")
    output = tmp_path / "out.webp"
    result = run_command(
        photographs, paintings, vgg_file, output,
        "--side", "30", "--iterations", "5", "--save-every", "2", "--start", "noise", "--plot",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == str(output)
    with Image.open(output) as image:
        assert (image.format, image.size) == ("WEBP", (30, 20))  # of 75×49
    record = json.loads((tmp_path / "out.json").read_text())
    assert [point["iteration"] for point in record["curve"]] == list(range(6))
    assert record["settings"]["start"] == "noise"
    assert record["settings"]["painting"]["file"] == "red.png"
    assert str(tmp_path) not in json.dumps(record)
    with Image.open(tmp_path / "out.curve.png") as drawing:
        drawing.verify()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.curve.png", "out.json", "out.webp",
    ]  # fmt: skip
    assert "iteration 4/5" in caplog.text
    assert "left" in caplog.text


@pytest.mark.parametrize("keep_colors", [False, True])
def test_without_an_iteration_the_photograph_comes_back(
    photographs, paintings, vgg_file, tmp_path, keep_colors
):
    photo, output = photographs / "0.png", tmp_path / "out.png"
    run = PaintRun(style_side=32, keep_colors=keep_colors)
    files = PaintFiles(photo, paintings[0], output, vgg_file)
    paint_files(files, replace(QUICK, iterations=0), run)
    np.testing.assert_array_equal(Image.open(output), Image.open(photo))


def test_colours_are_kept_on_request(photographs, paintings, vgg_file, tmp_path):
    photo = tmp_path / "photo.png"
    pixels = 100 + np.asarray(Image.open(photographs / "7.png")).astype(int) // 5
    Image.fromarray(pixels.astype(np.uint8)[:24, :32]).save(photo)
    output = tmp_path / "out.png"
    settings = replace(QUICK, optimizer="adam", iterations=4)
    files = PaintFiles(photo, paintings[0], output, vgg_file)
    paint_files(files, settings, PaintRun(32, 32, keep_colors=True))
    before, after = (np.asarray(Image.open(file)).astype(int) for file in (photo, output))
    inside = (after > 0).all(axis=2) & (after < 255).all(axis=2)
    assert inside.mean() > 0.5
    assert np.abs(after - before).mean() > 3
    # The same change of red, green and blue leaves their differences.
    differences = [np.diff(image, axis=2)[inside] for image in (before, after)]
    assert np.abs(differences[0] - differences[1]).max() <= 1


# The command line, but for a word on standard output once three iterations have been recorded.
_TELLS_THAT_IT_PAINTS = """
from atelier.__main__ import main
from atelier_export.gatys import painting

paint = painting.paint

def telling(*arguments):
    for point, image in paint(*arguments):
        yield point, image
        if point.iteration == 3:
            print("painting", flush=True)

painting.paint = telling
main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)]
)
def test_an_interrupted_run_leaves_what_it_had(
    photographs, paintings, vgg_file, tmp_path, number, code
):
    # Adam does not end where nothing is better, and nothing is saved on the way but the start.
    arguments = [
        "paint", photographs / "0.png", paintings[0], "-o", "out.png", "--vgg", vgg_file,
        "--optimizer", "adam", "--iterations", "1000000000", "--save-every", "1000000000",
        "--style-side", "32", "--side", "24",
    ]  # fmt: skip
    command = [sys.executable, "-c", _TELLS_THAT_IT_PAINTS, *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"painting\n"
            process.send_signal(number)
            assert process.wait() == code
        finally:
            process.kill()
    last = json.loads((tmp_path / "out.json").read_text())["curve"][-1]
    assert last["iteration"] >= 3
    Image.open(tmp_path / "out.png").load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.png"]


def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    photographs, paintings, vgg_file, tmp_path
):
    for output, reason in (
        (tmp_path / "out.gif", "out.gif: the suffix must be one of .png"),
        (tmp_path / "missing" / "out.png", "there is no folder"),
        (paintings[0], "is one of the inputs"),
    ):
        result = run_command(photographs, paintings, vgg_file, output)
        assert result.exit_code == 1
        assert reason in result.output


def test_what_is_no_picture_is_named(photographs, vgg_file, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    result = run_command(photographs, [broken], vgg_file, tmp_path / "out.png")
    assert result.exit_code == 1
    assert "broken.jpg cannot be read as an image" in result.output


def test_a_device_that_cannot_be_used_is_named(photographs, paintings, vgg_file, tmp_path):
    output = tmp_path / "out.png"
    result = run_command(photographs, paintings, vgg_file, output, "--device", "foo")
    assert result.exit_code == 1
    assert "the device 'foo' cannot be used" in result.output
