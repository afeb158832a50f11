"""`atelier search` with a painter in the client's place."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from atelier._cli import search as command
from atelier._cli.root import run
from fakes.painter import LENGTH, FakePainter

ALL = ["random", "genetic", "annealing", "cma-es"]


@pytest.fixture
def painters(monkeypatch, tmp_path):
    """Every painter that a command made."""
    made = []

    def make(*arguments, **settings):
        made.append(FakePainter())
        return made[-1]

    monkeypatch.setattr(command, "Client", make)
    monkeypatch.chdir(tmp_path)
    return made


def searched(*options, objective="movement:rococo", overwrite=False):
    given = {"--movement": "cubism", "--objective": objective, "--budget": "40", "-o": "out"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    arguments = [text for option in given.items() for text in option]
    return run(["search", *arguments, *["--overwrite"] * overwrite])


def result():
    with open("out/result.json") as file:  # noqa: PTH123
        return json.load(file)


def test_all_optimizers_side_by_side(painters, tmp_path, capsys):
    assert searched() == 0
    said = capsys.readouterr()
    assert said.out.split() == ["out/best.png", "out/curve.png", "out/result.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "best.png",
        "curve.png",
        "result.json",
    ]
    for name in ALL:
        assert f"{name}, seed 0: " in said.err
    assert " after 16 of 40\n" in said.err
    assert [each["optimizer"] for each in result()["searches"]] == ALL
    with Image.open("out/best.png") as best, Image.open("out/curve.png") as curve:
        assert best.width == 4 * 256
        assert curve.format == "PNG"
    assert sum(painters[0].batches) == 4 * 40


def test_the_result_makes_the_best_again(painters):
    assert searched("--optimizer", "genetic", "--batch", "8", "--seed", "3") == 0
    assert max(painters[0].batches) == 8
    found = result()
    (best,) = found["searches"]
    assert found["settings"] == {
        "movement": "cubism",
        "objective": "movement:rococo",
        "budget": 40,
        "batch": 8,
        "seed": 3,
        "repeats": 1,
        "score": "probability of rococo",
    }
    (image,) = FakePainter().paint([best["latent"]], movement="cubism")
    labels = FakePainter().classify(image, None).movements
    assert {label.name: label.probability for label in labels}["rococo"] == best["score"]
    assert len(best["latent"]) == LENGTH
    assert len(best["best_so_far"]) == 40


def test_the_same_seed_writes_the_same_result(painters, capsys):
    assert searched("--repeats", "2") == 0
    first = result()
    assert searched("--repeats", "2") == 1
    assert "out/best.png exists and is kept; --overwrite replaces it" in capsys.readouterr().err
    assert len(painters) == 1
    assert searched("--repeats", "2", overwrite=True) == 0
    assert result() == first
    assert [each["seed"] for each in first["searches"]] == [0, 1] * 4
    starts = [each["best_so_far"][0] for each in first["searches"][:2]]
    assert starts[0] != starts[1]


def test_an_image_is_approached(painters):
    Image.new("RGB", (40, 30), (240, 10, 10)).save("red.png")
    assert searched("--optimizer", "cma-es", "--budget", "160", objective="image:red.png") == 0
    (best,) = result()["searches"]
    assert best["best_so_far"][-1] > best["best_so_far"][0] + 20
    (image,) = FakePainter().paint([best["latent"]], movement="cubism")
    red, green, blue = np.asarray(image).mean(axis=(0, 1))
    assert red > max(green, blue)


@pytest.mark.parametrize(
    ("options", "objective", "code", "message"),
    [
        ([], "beauty", 1, "there is no objective 'beauty': give movement:NAME"),
        ([], "image:none.png", 1, "none.png: No such file"),
        ([], "movement:dada", 1, "the classifier knows no movement 'dada': cubism, rococo"),
        (["--movement", "dada"], "novelty", 1, "there is no movement 'dada'"),
        (["--optimizer", "magic"], "novelty", 2, "'magic' is not one of"),
        (["--budget", "0"], "novelty", 2, "0 is not in the range"),
        (["--batch", "3"], "novelty", 2, "3 is not in the range"),
        (["--seed", "-1"], "novelty", 2, "-1 is not in the range"),
    ],
)
def test_bad_input(painters, tmp_path, capsys, options, objective, code, message):
    assert searched(*options, objective=objective) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("module", ["cma", "matplotlib.figure"])
def test_what_is_missing_is_said_before_anything_is_painted(painters, monkeypatch, capsys, module):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "atelier._search.report", raising=False)
    monkeypatch.delattr("atelier._search.report", raising=False)
    assert searched() == 1
    name = module.partition(".")[0]
    assert f"the module '{name}" in capsys.readouterr().err
    assert not any(painter.batches for painter in painters)
