"""The image path through the real server."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from skimage import data
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import StartError, TritonServer
from fakes.triton import COMPLETE

MODELS = Path(__file__).parents[2] / "model_repository"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


def pixels(encoded: bytes) -> np.ndarray:
    return np.asarray(opened(encoded).convert("RGB")).astype(int)


def refusal(stylize, *args: object, **options: object) -> str:
    with pytest.raises(InferenceServerException) as caught:
        stylize(*args, **options)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return caught.value.message()


@pytest.mark.parametrize("size", [(16, 16), (17, 333), (401, 19), (640, 427)])
def test_png_round_trip_is_exact(stylize, encoded, size):
    image = Image.fromarray(data.coffee()).resize(size)
    result = stylize(encoded(image, "PNG"))
    assert opened(result).format == "PNG"
    assert (pixels(result) == np.asarray(image)).all()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_the_format_stays_unless_asked_otherwise(stylize, encoded, photo, format_name):
    picture = encoded(photo, format_name, quality=95)
    assert opened(stylize(picture)).format == format_name
    for asked in ("jpeg", "png", "webp"):
        result = stylize(picture, format=asked)
        assert opened(result).format == asked.upper()
        assert np.abs(pixels(result) - np.asarray(photo)).mean() < 6


@pytest.mark.parametrize("quality", [10, "10"])
def test_quality_reaches_the_encoder(stylize, encoded, photo, quality):
    picture = encoded(photo, "PNG")
    small, large = (stylize(picture, format="jpeg", quality=q) for q in (quality, 100))
    assert len(small) * 4 < len(large)


def test_styles_and_mixes_reach_the_network(stylize, encoded, photo):
    picture, image = encoded(photo, "PNG"), np.asarray(photo).astype(int)
    assert (pixels(stylize(picture, "the_scream")) == 255 - image).all()
    assert (pixels(stylize(picture, "UDNIE")) == 0).all()
    mixed = pixels(stylize(picture, "great_wave:0.7, udnie:0.3"))
    assert np.abs(mixed - image * 0.7).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(stylize, encoded, photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = opened(stylize(encoded(photo, "PNG", exif=exif)))
    photo = photo.copy()
    photo.getexif()[0x0112] = orientation
    assert (np.asarray(result) == np.asarray(ImageOps.exif_transpose(photo))).all()
    assert result.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    ("image", "style", "parameters", "words"),
    [
        (b"", "udnie", {}, "the image is empty: send the bytes of"),
        (b"GIF89a\1\0", "udnie", {}, "the image is a GIF, which is not"),
        (None, "grat_wave", {}, "unknown style 'grat_wave'; did you mean"),
        (None, b"\xff", {}, "is not UTF-8: send one of great_wave, starry_night, the_scream"),
        (None, "udnie:-1", {}, "must be 0 or more"),
        (b"", "nobody", {}, "unknown style 'nobody'"),
        (None, "udnie", {"format": "gif"}, "format 'gif' cannot be written"),
        (b"", "udnie", {"format": "gif"}, "format 'gif' cannot be written: use jpeg, png or webp"),
        (None, "udnie", {"quality": 0}, "use a whole number from 1 to 100"),
        (b"", "udnie", {"quality": 0}, "use a whole number from 1 to 100"),
        (None, "udnie", {"quality": True}, "use a whole number from 1 to 100"),
        (None, "udnie", {"batch": 2}, "batch-size must be <= 1 for 'stylize'"),
    ],
)
def test_refusals(stylize, encoded, photo, image, style, parameters, words):
    picture = encoded(photo, "PNG") if image is None else image
    assert words in refusal(stylize, picture, style, **parameters)


def test_what_cannot_be_answered_does_not_reach_the_network(stylize, encoded, photo):
    picture, wide = encoded(photo, "PNG"), encoded(Image.new("RGB", (16_384, 16)), "PNG")
    # This network would keep a single picture until others come.
    words = refusal(stylize, picture, model="stylize_batched", quality="high")
    assert "quality 'high'" in words
    words = refusal(stylize, wide, model="stylize_batched", format="webp")
    assert "16384 x 16 pixels does not fit into format 'webp'" in words
    assert opened(stylize(wide)).size == (16_384, 16)


def tensor(name: str, value: object, datatype: str, shape: list[int]) -> grpc.InferInput:
    made = grpc.InferInput(name, shape, datatype)
    kinds = {"BYTES": np.object_, "INT32": np.int32, "UINT8": np.uint8}
    made.set_data_from_numpy(np.array(value, dtype=kinds[datatype]).reshape(shape))
    return made


def text(name: str, value: bytes) -> grpc.InferInput:
    return tensor(name, value, "BYTES", [1, 1])


def test_asking_for_the_classes_of_an_output_ends_nothing(server, stylize, encoded, photo):
    image, style = text("image", encoded(photo, "PNG")), text("style", b"great_wave")
    with grpc.InferenceServerClient(server.grpc_url) as client:
        outputs = [grpc.InferRequestedOutput("stylized", class_count=1)]
        client.infer("stylize", [image, style], outputs=outputs)
    assert opened(stylize(encoded(photo, "PNG"))).size == photo.size


def test_unusable_configurations_fail_the_load_and_say_why(tmp_path):
    changes = {
        "large": ("classify", '"4194304"', '"4 million"'),
        "good": ("generate", '"90"', '"101"'),
        "idle": ("classify", '"4"', '"0"'),
        "nameless": ("stylize", '"styles"', '"names"'),
        "alone": ("stylize", '"calls"', '"called"'),
        "boundless": ("stylize", '"52428800"', '"0"'),
    }
    for name, (model, old, new) in changes.items():
        shutil.copytree(MODELS / model, tmp_path / name)
        config = tmp_path / name / "config.pbtxt"
        text = config.read_text()
        assert text.count(old) == 1
        text = text.replace(old, new).replace(f'name: "{model}"', f'name: "{name}"')
        config.write_text(text)
    log: list[str] = []
    with pytest.raises(StartError):
        TritonServer(tmp_path, options=[COMPLETE], log=log.append).start()
    words = "\n".join(log)
    assert (
        "'max_pixels' in config.pbtxt must be a whole number from 1 to 2147483647, not '4 million'"
        in words
    )
    assert "'webp_quality' in config.pbtxt must be a whole number from 1 to 100, not '101'" in words
    assert "'' in parameter 'styles' is no style name" in words
    assert "config.pbtxt has no parameter 'calls': set it to the name of the network" in words
    assert "'workers' in config.pbtxt must be a whole number from 1 to" in words
    assert "'max_decoded_pixels' in config.pbtxt must be a whole number from 1 to" in words
