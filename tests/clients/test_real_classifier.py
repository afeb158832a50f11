"""Both clients and the command line ask Triton for movements."""

import doctest
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from atelier import Classification, Client, InvalidRequest
from atelier._cli.root import run
from fakes.triton import serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.fixture
def images(tmp_path, monkeypatch, picture):
    """An image and a file that is none, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.jpg").write_bytes(picture("jpeg"))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    return tmp_path


@pytest.fixture(scope="module")
def url(
    tmp_path_factory: pytest.TempPathFactory, add_classifier: Callable[[Path], None]
) -> Iterator[str]:
    """Triton with `classify` around a network to which red is baroque, and blue ukiyo_e."""
    path = tmp_path_factory.mktemp("model_repository")
    add_classifier(path)
    with serving(path) as server:
        yield server.grpc_url


def solid(colour: str, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_triton_names_the_movements_of_every_kind_of_image(url, ask, tmp_path):
    red = solid("red")
    path = tmp_path / "red.png"
    red.save(path)
    buffer = io.BytesIO()
    red.save(buffer, "BMP")
    for image in (red, np.asarray(red), path, path.read_bytes(), buffer.getvalue()):
        found = ask(url, "classify", image, top=9)
        assert (found.movement, found.era) == ("baroque", "classical")
        for labels, count in ((found.movements, 9), (found.eras, 3)):
            probabilities = [label.probability for label in labels]
            assert len({label.name for label in labels}) == count
            assert probabilities == sorted(probabilities, reverse=True)
            assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    assert ask(url, "classify", solid("blue")).movement == "ukiyo_e"


def test_top_limits_the_movements_and_not_the_eras(url, ask):
    for top in (1, 3, 9):
        found = ask(url, "classify", solid("red"), top=top)
        assert (len(found.movements), len(found.eras)) == (top, 3)
    with pytest.raises(InvalidRequest, match="top 10 is not possible: give 1 to 9"):
        ask(url, "classify", solid("red"), top=10)


def test_a_version_of_the_network_is_the_callers_choice(url, ask):
    assert ask(url, "classify", solid("red"), network_version=1).movement == "baroque"
    with pytest.raises(InvalidRequest, match="network_version 2 is not served: leave it out"):
        ask(url, "classify", solid("red"), network_version=2)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (solid("red", (15, 40)), "15 x 40 pixels: each side needs at least 16"),
        (b"\xff\xd8\xff and no more", "the JPEG image is damaged"),
        (b"no image", "image: not an image in a known format"),
        (b"", "there are no bytes in it"),
    ],
)
def test_images_that_are_refused(url, ask, image, reason):
    with pytest.raises(InvalidRequest, match=reason) as caught:
        ask(url, "classify", image)
    assert "in ensemble" not in str(caught.value)


@pytest.mark.parametrize("documented", [Client.classify, Classification])
def test_the_example_of_the_docstring(url, tmp_path, monkeypatch, documented):
    monkeypatch.chdir(tmp_path)
    solid("#40ff00").save("photo.jpg")
    variables = {"Client": Client}
    for example in doctest.DocTestParser().get_examples(documented.__doc__):
        source = example.source.replace("localhost:8001", url)
        if example.want:
            assert repr(eval(source, variables)) + "\n" == example.want
        else:
            exec(source, variables)
    assert variables["found"].movement == "impressionism"


def test_the_classifier_of_the_readme(url, tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(found = .*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    solid("lime").save("photo.jpg")
    with Client(url) as art:
        exec(example, {"art": art})
    assert capsys.readouterr().out.startswith("impressionism modern\n")


def test_the_command_line_against_triton(url, images, capsys):
    solid("blue").save("two.jpg")
    solid("red", (15, 15)).save("small.png")
    files = ["two.jpg", "small.png", "broken.jpg", "one.jpg"]
    assert run(["classify", *files, "--url", url, "--json", "--top", "9"]) == 1
    shown = capsys.readouterr()
    first, last = (json.loads(line) for line in shown.out.splitlines())
    assert (first["file"], last["file"]) == ("two.jpg", "one.jpg")
    assert first["movements"][0]["name"] == "ukiyo_e"
    assert len(first["movements"]) == 9
    assert "small.png: the PNG image has 15 x 15 pixels" in shown.err
    assert "broken.jpg" in shown.err
