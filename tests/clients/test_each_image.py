"""Several images in one call, and files that exist."""

import os
import socket
from pathlib import Path

import grpc
import pytest
from PIL import Image

from atelier._cli.root import run
from fakes.autoencoder import Autoencoder

STYLIZE = ["stylize", "--style", "udnie"]


@pytest.fixture
def scripted(server, monkeypatch):
    """The scripted server with an autoencoder; every command asks it."""
    server.autoencoder = Autoencoder()
    monkeypatch.setenv("ATELIER_URL", server.url)
    return server


@pytest.fixture
def images(tmp_path, monkeypatch, picture):
    """Images in several formats in the current directory, and files that are none."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpeg", "b.png", "c.webp", "d.bmp", "d.tiff"):
        (tmp_path / name).write_bytes(picture(name.partition(".")[2]))
    (tmp_path / "text.jpg").write_bytes(b"no image")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_painting_has_the_name_of_its_photograph(scripted, images, capsys):
    assert run([*STYLIZE, "a.jpeg", "b.png", "c.webp", "d.bmp"]) == 0
    paintings = ["a-udnie.jpg", "b-udnie.png", "c-udnie.webp", "d-udnie.png"]
    assert capsys.readouterr().out.split() == paintings
    assert files(images) >= set(paintings)
    assert len(scripted.requests) == 4


def test_paintings_go_into_a_directory_that_is_made(scripted, images, capsys):
    arguments = ["a.jpeg", "b.png", "--output-dir", "out/deep", "--format", "webp"]
    assert run([*STYLIZE, *arguments]) == 0
    assert capsys.readouterr().out.split() == ["out/deep/a-udnie.webp", "out/deep/b-udnie.webp"]
    assert files(images / "out/deep") == {"a-udnie.webp", "b-udnie.webp"}


@pytest.mark.parametrize("command", ["reconstruct", "denoise"])
def test_the_commands_of_the_autoencoder_take_several(scripted, images, capsys, command):
    assert run([command, "a.jpeg", "text.jpg", "d.bmp", "--output-dir", "out"]) == 1
    shown = capsys.readouterr()
    names = {"reconstruct": "reconstructed", "denoise": "denoised"}
    expected = [f"out/{image}-{names[command]}.png" for image in "ad"]
    assert shown.out.split() == expected
    assert "Error: text.jpg: not an image in a known format" in shown.err


def test_what_fails_is_named_and_the_rest_goes_on(scripted, images, capsys):
    locked = images / "out" / "b-udnie.png"
    locked.mkdir(parents=True)
    scripted.script = [
        (grpc.StatusCode.INVALID_ARGUMENT, "in ensemble 'stylize', the JPEG image is cut off"),
        None,
        (grpc.StatusCode.INTERNAL, "onnx runtime error 6"),
    ]
    photographs = ["a.jpeg", "missing.jpg", "text.jpg", ".", "b.png", "c.webp", "d.bmp"]
    assert run([*STYLIZE, *photographs, "--output-dir", "out"]) == 1
    shown = capsys.readouterr()
    assert shown.out.split() == ["out/d-udnie.png"]
    assert [line.partition(" [request id: ")[0] for line in shown.err.splitlines()] == [
        f"Error: there is no file 'missing.jpg' in {images}",
        "Error: '.' is a directory: give an image in it",
        "Error: a.jpeg: the JPEG image is cut off",
        "Error: text.jpg: not an image in a known format; give a JPEG, PNG or WebP",
        "Error: out/b-udnie.png: Is a directory",
        f"Error: c.webp: the server at {scripted.url} failed: onnx runtime error 6",
    ]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("INVALID_ARGUMENT", "in ensemble 'stylize', unknown style 'udnei'"),
        ("INVALID_ARGUMENT", "in ensemble 'stylize', the style 'udnei' has an entry with no name"),
        ("NOT_FOUND", "Request for unknown model: 'stylize' is not found"),
    ],
)
def test_what_is_wrong_with_every_image_is_said_once(scripted, images, capsys, status, message):
    scripted.script = [(grpc.StatusCode[status], message)] * 9
    assert run([*STYLIZE, "a.jpeg", "b.png"]) == 1
    assert capsys.readouterr().err == f"Error: {message.rpartition(', ')[2]}\n"
    assert len(scripted.requests) == 1


def test_without_a_server_the_rest_is_not_tried(images, capsys):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        assert run([*STYLIZE, "a.jpeg", "b.png", "--url", url]) == 3
    assert capsys.readouterr().err.count("cannot reach the server") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["d.bmp", "d.tiff"], "d.bmp and d.tiff would both be written to d-udnie.png"),
        (["a.jpeg", "./a.jpeg"], "a.jpeg is there twice"),
        (["a.jpeg", "folder/a.jpeg"], "a.jpeg and folder/a.jpeg would both be written to"),
        (["a.jpeg", "b.png", "-o", "out.png"], "-o names one file, and there are 2 images"),
        (["a.jpeg", "-o", "out.png", "--output-dir", "out"], "do not go together"),
        (["a.jpeg", "--output-dir", "b.png"], "b.png is a file; give a directory"),
        (["a.jpeg", "-"], "standard input, cannot be one of several"),
        (["-", "--output-dir", "out"], "standard input has no name"),
        (["a.jpeg", "x-udnie.png", "x.bmp", "--overwrite"], "x-udnie.png is the image itself"),
        (["pipe"], "pipe is a pipe or a device: give -o OUT or --format"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_work(
    scripted, images, capsys, picture, arguments, reason
):
    (images / "folder").mkdir()
    for name in ("folder/a.jpeg", "x-udnie.png", "x.bmp"):
        (images / name).write_bytes(picture(name.partition(".")[2]))
    os.mkfifo("pipe")
    before = files(images)
    assert run([*STYLIZE, *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not scripted.requests
    assert files(images) == before


def test_styles_given_one_by_one_are_a_mix(scripted, images):
    assert run([*STYLIZE, "--style", "great_wave", "a.jpeg"]) == 0
    assert scripted.inputs["style"] == b"udnie,great_wave"
    assert (images / "a-udnie+great_wave.jpg").is_file()


WRITING = [
    ([*STYLIZE, "a.jpeg"], "a-udnie.jpg"),
    ([*STYLIZE, "a.jpeg", "-o", "out.png"], "out.png"),
    ([*STYLIZE, "a.jpeg", "--output-dir", "out"], "out/a-udnie.jpg"),
    (["reconstruct", "a.jpeg"], "a-reconstructed.png"),
    (["denoise", "a.jpeg", "-o", "out.png"], "out.png"),
    (["fill", "a.jpeg", "b.png"], "a-filled.png"),
    (["morph", "a.jpeg", "b.png"], "a-to-b.gif"),
    (["vary", "a.jpeg", "-o", "out.png"], "out.png"),
    (["wander", "a.jpeg"], "a-wander.gif"),
    (["compress", "a.jpeg"], "a.atl"),
    (["decompress", "a.jpeg"], "a-decompressed.png"),
    (["generate", "--seed", "1"], "generated-1.png"),
    (["generate", "--seed", "1", "--separate"], "generated-1-00.png"),
    (["walk", "--movement", "m", "--seeds", "1,2"], "m-walk.gif"),
]


@pytest.mark.parametrize(("arguments", "output"), WRITING)
def test_a_file_that_exists_is_kept(scripted, images, capsys, arguments, output):
    path = images / output
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"as it was")
    assert run(arguments) == 1
    shown = capsys.readouterr().err
    assert shown == f"Error: {output} exists and is kept; --overwrite replaces it\n"
    assert not scripted.requests
    assert path.read_bytes() == b"as it was"


@pytest.mark.parametrize(("arguments", "output"), WRITING[:5])
def test_a_file_that_exists_is_replaced_on_request(scripted, images, arguments, output):
    path = images / output
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"as it was")
    assert run([*arguments, "--overwrite"]) == 0
    with Image.open(path) as image:
        image.load()


def test_of_several_the_one_that_exists_is_kept(scripted, images, capsys):
    (images / "a-udnie.jpg").write_bytes(b"as it was")
    assert run([*STYLIZE, "a.jpeg", "b.png"]) == 1
    assert capsys.readouterr().out.split() == ["b-udnie.png"]
    assert len(scripted.requests) == 1
    assert (images / "a-udnie.jpg").read_bytes() == b"as it was"


def test_a_device_is_written_to_without_a_question(scripted, images):
    assert run([*STYLIZE, "a.jpeg", "-o", "/dev/null"]) == 0


def test_a_full_device_is_named(scripted, images, capsys):
    assert run([*STYLIZE, "a.jpeg", "-o", "/dev/full"]) == 1
    assert capsys.readouterr().err == "Error: /dev/full: No space left on device\n"


@pytest.mark.parametrize("length", [250, 251])
def test_a_long_name_is_written_or_refused_before_the_work(scripted, images, capsys, length):
    name = "x" * (length - 5) + ".jpeg"
    (images / "a.jpeg").rename(images / name)
    code = run([*STYLIZE, name])
    if length == 250:
        assert code == 0
    else:  # With "-udnie", more than 255 bytes.
        assert code == 1
        assert capsys.readouterr().err.endswith("-udnie.jpg: File name too long\n")
        assert not scripted.requests
