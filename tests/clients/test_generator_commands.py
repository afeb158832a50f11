"""The commands of the generator against the scripted server."""

import re

import grpc
import numpy as np
import pytest
from PIL import Image

from atelier._cli.contact_sheet import grid
from atelier._cli.generator import _DRAWN_SEEDS
from atelier._cli.root import run
from fakes.generator import MOVEMENTS, SIDE, Generator, latents_of, painted

GAP = 12
UKIYO_E = MOVEMENTS.index("ukiyo_e")
GENERATE = ["generate", "--movement", "ukiyo_e", "--seed", "7"]
WALK = ["walk", "--movement", "ukiyo_e", "--seeds", "1,2,3"]
WALK_ALONG = ["walk", "--movement", "ukiyo_e", "--seeds"]
BOTH = pytest.mark.parametrize("arguments", [GENERATE, WALK], ids=["generate", "walk"])


@pytest.fixture
def scripted(server, monkeypatch, tmp_path):
    """The scripted server with a generator; every command asks it, in an empty directory."""
    server.generator = Generator()
    monkeypatch.setenv("ATELIER_URL", server.url)
    monkeypatch.chdir(tmp_path)
    return server


def image_of(seed: int, index: int = 0) -> np.ndarray:
    return painted(latents_of(seed, [index])[0], UKIYO_E)


def test_a_sheet_is_written_where_one_stands(scripted, tmp_path, capsys):
    assert run(GENERATE) == 0
    shown = capsys.readouterr()
    assert shown.out == "ukiyo_e-7.png\n"
    assert shown.err == "--seed 7 makes the same images again\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ukiyo_e-7.png"]
    with Image.open("ukiyo_e-7.png") as file:
        sheet = np.asarray(file)
    assert sheet.shape == (4 * SIDE + 3 * GAP, 4 * SIDE + 3 * GAP, 3)
    for index in range(16):
        row, column = divmod(index, 4)
        top, left = row * (SIDE + GAP), column * (SIDE + GAP)
        cell = sheet[top : top + SIDE, left : left + SIDE]
        np.testing.assert_array_equal(cell, image_of(7, index))


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (7, 3, 3), (12, 4, 3), (17, 5, 4)],
)
def test_a_sheet_is_nearly_square(scripted, count, columns, rows):
    assert run([*GENERATE, "--count", str(count), "-o", "sheet.png"]) == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.size == tuple(n * (SIDE + GAP) - GAP for n in (columns, rows))


def test_a_sheet_of_one_image_is_the_image():
    image = Image.effect_noise((9, 5), 80).convert("RGB")
    assert grid([image]).tobytes() == image.tobytes()


def test_a_sheet_is_filled_row_by_row():
    shades = [(50 * number, 0, 0) for number in range(5)]
    sheet = grid([Image.new("RGB", (8, 6), shade) for shade in shades])
    found = [sheet.getpixel((x, y)) for y in (3, 3 + 6 + GAP) for x in (4, 4 + 20, 4 + 40)]
    assert found == [*shades, (251, 250, 247)]


def test_the_seed_that_was_drawn_makes_the_same_sheet(scripted, tmp_path, capsys):
    sheets = []
    for _ in range(2):
        assert run(["generate", "--count", "6"]) == 0
        shown = capsys.readouterr()
        (seed,) = re.fullmatch(r"--seed (\d+) makes the same images again\n", shown.err).groups()
        assert int(seed) < _DRAWN_SEEDS
        assert shown.out == f"generated-{seed}.png\n"
        sheet = tmp_path / shown.out.strip()
        sheets.append(sheet.read_bytes())
        sheet.unlink()
        assert run(["generate", "--count", "6", "--seed", seed]) == 0
        assert sheet.read_bytes() == sheets[-1]
        capsys.readouterr()
    assert sheets[0] != sheets[1]


@pytest.mark.parametrize("output", ["out.png", "out.jpg", "out.webp"])
def test_the_suffix_chooses_the_format(scripted, output):
    assert run([*GENERATE, "-o", output]) == 0
    with Image.open(output) as image:
        image.load()
        assert image.format == {"jpg": "JPEG"}.get(output[4:], output[4:].upper())


@pytest.mark.parametrize("there", [True, False])
def test_images_of_their_own(scripted, tmp_path, capsys, there):
    if there:
        (tmp_path / "out").mkdir()
    assert run([*GENERATE, "--count", "11", "--separate", "-o", "out"]) == 0
    names = [f"ukiyo_e-7-{index:02}.png" for index in range(11)]
    assert capsys.readouterr().out == "".join(f"out/{name}\n" for name in names)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for index, name in enumerate(names):
        with Image.open(tmp_path / "out" / name) as image:
            np.testing.assert_array_equal(np.asarray(image), image_of(7, index))


def test_images_of_their_own_where_one_stands(scripted, tmp_path, capsys):
    arguments = ["--movement", "Ukiyo-e", "--count", "101", "--seed", "0", "--separate"]
    assert run(["generate", *arguments]) == 0
    assert capsys.readouterr().out.startswith("Ukiyo-e-0-000.png\nUkiyo-e-0-001.png\n")
    assert len(list(tmp_path.glob("Ukiyo-e-0-???.png"))) == 101


def test_the_truncation_reaches_the_server(scripted):
    for arguments in (GENERATE, WALK):
        scripted.requests.clear()
        assert run([*arguments, "--truncation", "0.7"]) == 0
        assert scripted.requests[0].parameters["truncation"].double_param == 0.7


def frames_of(path: str) -> list[tuple[int, ...]]:
    """The colour of every frame."""
    colours = []
    with Image.open(path) as image:
        assert image.size == (SIDE, SIDE)
        assert image.info["loop"] == 0
        for number in range(image.n_frames):
            image.seek(number)
            colours.append(image.convert("RGB").getpixel((1, 1)))
    return colours


def test_a_walk_is_written_where_one_stands(scripted, tmp_path, capsys):
    assert run(WALK) == 0
    assert capsys.readouterr().out == "ukiyo_e-walk.gif\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ukiyo_e-walk.gif"]
    assert len(frames_of("ukiyo_e-walk.gif")) == 2 * 15 + 1


@pytest.mark.parametrize("suffix", ["gif", "webp"])
@pytest.mark.parametrize(("loop", "count"), [([], 7), (["--loop"], 9)])
def test_a_walk_repeats_for_ever(scripted, suffix, loop, count):
    output = f"out.{suffix}"
    assert run([*WALK, "--steps", "4", *loop, "-o", output]) == 0
    frames = frames_of(output)
    assert len(frames) == count
    for place, seed in ((0, 1), (3, 2), (6, 3)):
        assert frames[place] == pytest.approx(image_of(seed)[1, 1], abs=6)
    # Nothing stands still where it begins again.
    assert frames[0] != pytest.approx(frames[-1], abs=1)


def test_a_walk_in_one_row(scripted):
    assert run([*WALK, "--steps", "3", "-o", "out.png"]) == 0
    with Image.open("out.png") as row:
        assert row.size == (5 * SIDE, SIDE)
        np.testing.assert_array_equal(np.asarray(row)[:, 2 * SIDE : 3 * SIDE], image_of(2))


def test_a_walk_as_files(scripted, tmp_path):
    assert run([*WALK, "--steps", "3", "--separate", "-o", "out"]) == 0
    names = [f"ukiyo_e-walk-{index:02}.png" for index in range(5)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    with Image.open(tmp_path / "out" / names[4]) as last:
        np.testing.assert_array_equal(np.asarray(last), image_of(3))


def test_movements_one_a_line(scripted, capsys):
    assert run(["movements"]) == 0
    assert capsys.readouterr().out == "cubism\nukiyo_e\nnaive_art\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["walk", "--seeds", "1,2"], "Missing option '--movement'"),
        (["walk", "--movement", "cubism"], "Missing option '--seeds'"),
        ([*GENERATE, "--count", "0"], "0 is not in the range"),
        ([*GENERATE, "--count", "10001"], "10001 is not in the range"),
        (["generate", "--seed", "-1"], "-1 is not in the range"),
        (["generate", "--seed", "9223372036854775808"], "9223372036854775808 is not in the range"),
        (["generate", "--seed", "x"], "'x' is not a valid integer"),
        ([*GENERATE, "--truncation", "0"], "0.0 is not in the range"),
        ([*GENERATE, "--truncation", "4.5"], "4.5 is not in the range"),
        ([*GENERATE, "--truncation", "nan"], "truncation nan is not possible"),
        ([*GENERATE, "-o", "out.gif"], "no format '.gif'; use .png, .jpg, .jpeg or .webp"),
        ([*GENERATE, "-o", "no/where.png"], "no directory 'no'"),
        ([*GENERATE, "-o", "."], ". is a directory; give a file, or --separate"),
        ([*GENERATE, "--separate", "-o", "file"], "file is a file; give a directory"),
        ([*GENERATE, "--separate", "-o", "no/where"], "no directory 'no'"),
        ([*WALK_ALONG, "1"], "'1' is one seed; give two or more, with commas between"),
        ([*WALK_ALONG, "1,x"], "'x' is not a valid integer"),
        ([*WALK_ALONG, "1,"], "'' is not a valid integer"),
        ([*WALK_ALONG, "1,-2"], "-2 is not in the range"),
        ([*WALK, "--steps", "1"], "1 is not in the range"),
        ([*WALK, "--steps", "9999"], "3 seeds in steps of 9999 are 19997 images; 10000 is the"),
        (["walk", "--seeds", "1,2", "--movement", " "], "movement: ' ' is no name"),
        ([*WALK, "-o", "out.jpg"], "no format '.jpg'; use .gif, .webp or .png"),
        (["movements", "--timeout", "0"], "give seconds above 0"),
    ],
)
def test_wrong_usage(scripted, tmp_path, capsys, arguments, reason):
    (tmp_path / "file").write_bytes(b"as it was")
    assert run(arguments) in (1, 2)
    assert reason in capsys.readouterr().err
    assert not scripted.requests
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"as it was"]


@BOTH
def test_a_movement_that_the_server_does_not_know(scripted, tmp_path, capsys, arguments):
    unknown = ["cubsm" if argument == "ukiyo_e" else argument for argument in arguments]
    assert run(unknown) == 1
    assert capsys.readouterr().err == (
        "Error: movement 'cubsm' is unknown; there are cubism, ukiyo_e, naive_art\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [GENERATE, WALK, ["movements"]], ids=lambda a: a[0])
def test_a_server_without_a_generator(server, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert run([*arguments, "--url", server.url]) == 1
    error = "Error: Request for unknown model: 'generate' is not found\n"
    assert capsys.readouterr().err == error
    assert not list(tmp_path.iterdir())


@BOTH
@pytest.mark.parametrize("separate", [[], ["--separate", "-o", "out"]])
def test_a_failure_leaves_nothing(scripted, tmp_path, capsys, arguments, separate):
    scripted.script = [None, (grpc.StatusCode.INTERNAL, "onnx runtime error 6")]
    assert run([*arguments, *separate]) == 6
    assert "onnx runtime error 6" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
