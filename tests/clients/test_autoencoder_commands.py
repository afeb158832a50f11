"""The commands of the autoencoder against the scripted server."""

import grpc
import numpy as np
import pytest
from PIL import Image

from atelier._cli.image_files import row_of
from atelier._cli.root import run
from fakes.autoencoder import SIDE, Autoencoder

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
COMMANDS = [
    (["reconstruct", "dark.jpg"], "dark-reconstructed.png", (SIDE, SIDE)),
    (["denoise", "dark.jpg"], "dark-denoised.png", (SIDE, SIDE)),
    (["fill", "dark.jpg", "mask.png"], "dark-filled.png", (60, 40)),
    (["morph", "dark.jpg", "light.png"], "dark-to-light.gif", (SIDE, SIDE)),
    (["vary", "dark.jpg"], "dark-varied.png", (4 * SIDE, SIDE)),
    (["wander", "dark.jpg"], "dark-wander.gif", (SIDE, SIDE)),
]
BY_NAME = pytest.mark.parametrize(
    "arguments", [each for each, _, _ in COMMANDS], ids=lambda a: a[0]
)


@pytest.fixture
def scripted(server, monkeypatch):
    """The scripted server with an autoencoder; every command asks it."""
    server.autoencoder = Autoencoder()
    monkeypatch.setenv("ATELIER_URL", server.url)
    return server


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Two images, a mask and a file that is none, in the current directory."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 40), BLACK).save("dark.jpg")
    Image.new("RGB", (SIDE, SIDE), WHITE).save("light.png")
    mask = Image.new("L", (60, 40))
    mask.paste(255, (20, 10, 30, 20))
    mask.save("mask.png")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    return tmp_path


def frames_of(path) -> list[int]:
    """The level in the middle of every frame."""
    levels = []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            levels.append(image.convert("L").getpixel((SIDE // 2, SIDE // 2)))
    return levels


@pytest.mark.parametrize(("arguments", "output", "size"), COMMANDS)
def test_a_command_writes_where_one_stands(scripted, images, capsys, arguments, output, size):
    before = set(images.iterdir())
    assert run(arguments) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert set(images.iterdir()) - before == {images / output}
    with Image.open(output) as image:
        image.load()
        assert image.size == size


@BY_NAME
def test_what_is_fitted_to_the_square_is_said(scripted, images, capsys, arguments):
    assert run(arguments) == 0
    said = "" if arguments[0] == "fill" else "dark.jpg, 60×40, is fitted to 32×32\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("output", ["out.png", "out.jpg", "out.JPEG", "out.webp"])
@pytest.mark.parametrize("command", ["reconstruct", "denoise", "vary"])
def test_the_suffix_chooses_the_format(scripted, images, command, output):
    assert run([command, "light.png", "-o", output]) == 0
    with Image.open(output) as image:
        suffix = output.rpartition(".")[2].upper()
        assert image.format == {"JPG": "JPEG"}.get(suffix, suffix)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_morph_repeats_for_ever(scripted, images, suffix):
    arguments = ["morph", "dark.jpg", "light.png", "--frames", "6", "-o", f"out.{suffix}"]
    assert run(arguments) == 0
    levels = frames_of(f"out.{suffix}")
    assert levels == pytest.approx([0, 51, 102, 153, 204, 255], abs=4)
    with Image.open(f"out.{suffix}") as image:
        assert image.info["loop"] == 0


def test_a_walk_comes_back(scripted, images):
    Image.new("RGB", (SIDE, SIDE), (128, 128, 128)).save("grey.png")
    arguments = ["--frames", "9", "--strength", "2", "--seed", "7", "-o", "out.webp"]
    assert run(["wander", "grey.png", *arguments]) == 0
    levels = frames_of("out.webp")
    assert len(levels) == 9
    assert levels[0] == pytest.approx(levels[-1], abs=2)
    assert max(levels) - min(levels) > 10


def test_frames_in_one_row(scripted, images):
    assert run(["morph", "dark.jpg", "light.png", "--frames", "6", "-o", "out.png"]) == 0
    with Image.open("out.png") as strip:
        assert strip.size == (6 * SIDE, SIDE)
        levels = [strip.getpixel((SIDE * place + 5, 5))[0] for place in range(6)]
    assert levels == [0, 51, 102, 153, 204, 255]


def test_variants_in_one_row(scripted, images):
    def row(*options: str) -> np.ndarray:
        assert run(["vary", "light.png", "-o", "out.png", "--overwrite", *options]) == 0
        with Image.open("out.png") as image:
            return np.asarray(image)

    assert row("--count", "3").shape == (SIDE, 3 * SIDE, 3)
    np.testing.assert_array_equal(row("--seed", "1"), row("--seed", "1"))
    assert (row("--seed", "1") != row("--seed", "2")).any()
    assert (row("--strength", "0") == 255).all()


def test_a_row_is_in_order():
    row = row_of([Image.new("RGB", (3, 2), colour) for colour in ("red", "lime", "blue")])
    assert [row.getpixel((x, 1)) for x in (0, 3, 8)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_only_the_hole_is_filled(scripted, images):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save("noise.png")
    assert run(["fill", "noise.png", "mask.png", "-o", "out.png"]) == 0
    with Image.open("out.png") as filled:
        changed = (np.asarray(filled) != noise).any(axis=2)
    assert changed[10:20, 20:30].mean() > 0.9
    changed[10:20, 20:30] = False
    assert not changed.any()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["reconstruct"], "Missing argument 'IMAGE...'"),
        (["fill", "dark.jpg"], "Missing argument 'MASK'"),
        (["morph", "dark.jpg"], "Missing argument 'SECOND'"),
        (["reconstruct", "dark.jpg", "-o", "dark.jpg"], "dark.jpg is the image itself"),
        (["fill", "dark.jpg", "mask.png", "-o", "mask.png"], "mask.png is the image itself"),
        (["morph", "dark.jpg", "light.png", "-o", "light.png"], "light.png is the image itself"),
        (["denoise", "dark.jpg", "-o", "no/where.png"], "no directory 'no'"),
        (["denoise", "dark.jpg", "-o", "out.gif"], "no format '.gif'; use .png, .jpg, .jpeg or"),
        (["denoise", "dark.jpg", "-o", "out"], "no format ''"),
        (["wander", "dark.jpg", "-o", "out.jpg"], "no format '.jpg'; use .gif, .webp or .png"),
        (["morph", "dark.jpg", "light.png", "--frames", "1"], "1 is not in the range"),
        (["wander", "dark.jpg", "--frames", "2"], "2 is not in the range"),
        (["vary", "dark.jpg", "--count", "0"], "0 is not in the range"),
        (["vary", "dark.jpg", "--strength", "101"], "101.0 is not in the range"),
        (["vary", "dark.jpg", "--strength", "nan"], "strength nan is not possible"),
        (["vary", "dark.jpg", "--seed", "-1"], "-1 is not in the range"),
        (["reconstruct", "dark.jpg", "--timeout", "0"], "give seconds above 0"),
    ],
)
def test_wrong_usage(scripted, images, capsys, arguments, reason):
    before = {path: path.read_bytes() for path in images.iterdir()}
    assert run(arguments) in (1, 2)
    assert reason in capsys.readouterr().err
    assert not scripted.requests
    assert {path: path.read_bytes() for path in images.iterdir()} == before


@BY_NAME
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing.jpg", "there is no file 'missing.jpg' in"),
        (".", "'.' is a directory: give an image in it"),
        ("broken.jpg", "broken.jpg: not an image in a known format; give a JPEG, PNG or WebP"),
    ],
)
def test_a_file_that_is_no_image(scripted, images, capsys, arguments, file, reason):
    command, *files = arguments
    for place in range(len(files)):
        changed = [file if each == place else name for each, name in enumerate(files)]
        assert run([command, *changed]) == 1
        shown = capsys.readouterr().err
        assert shown.startswith(f"Error: {reason}")
        assert shown.count("\n") == 1
    assert not scripted.requests


def test_a_row_larger_than_its_format_allows(scripted, images, capsys):
    assert run(["vary", "light.png", "--count", "600", "-o", "out.webp"]) == 1
    error = "Error: 19200×32 pixels cannot be written as WEBP"
    assert capsys.readouterr().err.startswith(error)
    assert not (images / "out.webp").exists()


@BY_NAME
def test_a_server_without_an_autoencoder(server, images, capsys, arguments):
    assert run([*arguments, "--url", server.url]) == 1
    assert capsys.readouterr().err == (
        "Error: Request for unknown model: 'vae_encoder' is not found\n"
    )


@BY_NAME
def test_a_failure_leaves_no_file(scripted, images, capsys, arguments):
    before = set(images.iterdir())
    scripted.script = [None, (grpc.StatusCode.INTERNAL, "onnx runtime error 6")]
    assert run(arguments) == 6
    assert "onnx runtime error 6" in capsys.readouterr().err
    assert set(images.iterdir()) == before
