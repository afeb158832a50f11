"""The requests that are made for each model that is served."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tritonclient.grpc import service_pb2

from atelier import Client, InvalidRequest
from atelier._loadtest.made_images import made_image
from atelier._loadtest.workload import Mix, size_of, weights, workload
from atelier.testing import MockTransport

REPOSITORY = Path(__file__).parents[3] / "model_repository"
CONFIGS = {path.parent.name: path.read_text() for path in REPOSITORY.glob("*/config.pbtxt")}
TAKEN = {
    "classifier": {"image"},
    "classify": {"image"},
    "generate": {"seed"},
    "generator": {"latent", "movement"},
    "style": {"image", "style"},
    "stylize": {"image", "style"},
    "vae_decoder": {"latent"},
    "vae_encoder": {"image"},
}


def made(models, sizes="64x48", styles=None, images=None, encoding="jpeg", seed=0):
    mix = Mix(weights(models), weights(sizes), styles or {}, images, encoding, seed)
    with Client(transport=MockTransport(lambda request: {}, CONFIGS.values())) as client:
        return workload(client, mix)


def inputs(sample):
    message = service_pb2.ModelInferRequest.FromString(sample.body)
    names = (each.name for each in message.inputs)
    return dict(zip(names, message.raw_input_contents, strict=True))


def image_of(sample):
    return Image.open(io.BytesIO(inputs(sample)["image"][4:]))


@pytest.mark.parametrize("model", TAKEN)
def test_a_request_is_made_for_each_served_model(model):
    requests = made(model)
    assert {sample.model for sample in requests.samples} == {model}
    assert set(inputs(requests.sample(0))) == TAKEN[model]
    assert len({sample.body for sample in requests.samples}) > 1


def test_a_model_for_which_there_is_nothing_to_send_is_refused(monkeypatch):
    of_pixels = CONFIGS["vae_encoder"].replace('name: "image"', 'name: "pixels"')
    monkeypatch.setitem(CONFIGS, "vae_encoder", of_pixels)
    with pytest.raises(InvalidRequest, match="there is no way to make its input 'pixels'"):
        made("vae_encoder")


def test_models_and_sizes_are_drawn_by_their_weights():
    requests = made("stylize:3,classify:1", "64x48:1,32x32:4")
    drawn = [requests.sample(number) for number in range(20_000)]
    models = Counter(sample.model for sample in drawn)
    assert models["stylize"] / len(drawn) == pytest.approx(0.75, abs=0.02)
    pixels = Counter(sample.pixels for sample in drawn)
    assert pixels[32 * 32] / len(drawn) == pytest.approx(0.8, abs=0.02)
    assert set(pixels) == {32 * 32, 64 * 48}
    assert requests.sample(5) is requests.sample(5 + len(requests.order))


def test_styles_are_those_of_the_server_or_those_that_were_asked_for():
    asked = made("stylize", styles={"udnie": 1.0, "great_wave:0.7,udnie:0.3": 1.0})
    names = {inputs(sample)["style"][4:].decode() for sample in asked.samples}
    assert names == {"udnie", "great_wave:0.7,udnie:0.3"}
    every = {inputs(sample)["style"][4:].decode() for sample in made("stylize").samples}
    assert len(every) > 5


def test_images_are_of_the_size_and_encoding_that_was_asked_for():
    for encoding in ("jpeg", "png", "webp"):
        image = image_of(made("stylize", "80x48", encoding=encoding).sample(0))
        assert (image.size, image.format) == ((80, 48), encoding.upper())
    raw = made("style", "32x16").sample(0)
    assert len(inputs(raw)["image"]) == 32 * 16 * 3
    assert raw.pixels == 32 * 16


def test_photographs_come_from_a_folder(tmp_path):
    Image.new("RGB", (100, 100), "red").save(tmp_path / "red.png")
    (tmp_path / "notes.txt").write_text("not an image")
    image = image_of(made("stylize", images=tmp_path, encoding="png").sample(0))
    assert image.getpixel((5, 5)) == (255, 0, 0)
    (tmp_path / "red.png").unlink()
    with pytest.raises(InvalidRequest, match="has no JPEG, PNG or WebP file in it"):
        made("stylize", images=tmp_path)


def test_another_seed_makes_other_requests_and_the_same_one_the_same():
    first, again, other = (made("generate", seed=seed) for seed in (1, 1, 2))
    assert [each.body for each in first.samples] == [each.body for each in again.samples]
    assert {each.body for each in first.samples}.isdisjoint(each.body for each in other.samples)


def test_made_images_are_about_as_hard_to_compress_as_photographs():
    sizes = []
    for number in range(3):
        buffer = io.BytesIO()
        made_image(number).resize((256, 256)).save(buffer, "jpeg", quality=90)
        sizes.append(8 * buffer.tell() / 256**2)
    # Photographs have 1 to 4 bits a pixel at this quality, noise has 9.
    assert all(1 < bits < 5 for bits in sizes)
    assert not np.array_equal(np.asarray(made_image(0)), np.asarray(made_image(1)))


@pytest.mark.parametrize("text", ["", "a:0", "a:-1", "a:x", "a,a", "a:inf", ":3"])
def test_weights_that_cannot_be_read_are_named(text):
    with pytest.raises(ValueError, match=r"give names with weights above 0") as error:
        weights(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["480", "480x", "8x480", "axb"])
def test_a_size_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match=f"size '{text}': give WIDTHxHEIGHT of 16 or more"):
        size_of(text)
    assert size_of("480x320") == (480, 320)
