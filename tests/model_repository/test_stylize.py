"""The image path through the real server."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import StartError, TritonServer

MODELS = Path(__file__).parents[2] / "model_repository"


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
        (b"", "udnie", {}, "in ensemble 'stylize', the image is empty: send the bytes of"),
        (b"GIF89a\1\0", "udnie", {}, "in ensemble 'stylize', the image is a GIF, which is not"),
        (None, "grat_wave", {}, "in ensemble 'stylize', unknown style 'grat_wave'; did you mean"),
        (None, b"\xff", {}, "is not UTF-8: send one of great_wave, starry_night, the_scream"),
        (None, "udnie:-1", {}, "must be 0 or more"),
        (b"", "nobody", {}, "the image is empty"),
        (None, "udnie", {"format": "gif"}, "in ensemble 'stylize', format 'gif' cannot be written"),
        (b"", "udnie", {"format": "gif"}, "format 'gif' cannot be written: use jpeg, png or webp"),
        (None, "udnie", {"quality": 0}, "use 1 to 100"),
        (b"", "udnie", {"quality": 0}, "use 1 to 100"),
        (None, "udnie", {"quality": True}, "use 1 to 100"),
        (None, "udnie", {"batch": 2}, "batch-size must be <= 1 for 'stylize'"),
    ],
)
def test_refusals(stylize, encoded, photo, image, style, parameters, words):
    picture = encoded(photo, "PNG") if image is None else image
    assert words in refusal(stylize, picture, style, **parameters)


def test_what_cannot_be_answered_does_not_reach_the_network(server, stylize, encoded, photo):
    picture, wide = encoded(photo, "PNG"), encoded(Image.new("RGB", (16_384, 16)), "PNG")
    with grpc.InferenceServerClient(server.grpc_url) as client:

        def executions() -> int:
            (statistics,) = client.get_inference_statistics("style").model_stats
            return statistics.execution_count

        stylize(picture)
        before = executions()
        assert "quality 'high'" in refusal(stylize, picture, quality="high")
        words = refusal(stylize, wide, format="webp")
        assert "16384 x 16 pixels does not fit into format 'webp'" in words
        assert executions() == before
        assert opened(stylize(wide)).size == (16_384, 16)
        assert executions() == before + 1


def test_steps_serve_alone(server, encoded, photo):
    with grpc.InferenceServerClient(server.grpc_url) as client:
        style = grpc.InferInput("style", [1, 1], "BYTES")
        style.set_data_from_numpy(np.array([[b"great_wave,udnie"]], dtype=np.object_))
        weights = client.infer("style_weights", [style]).as_numpy("weights")
        assert weights.tolist() == [[0.5, 0, 0, 0.5]]

        image = grpc.InferInput("image", [1, 1], "BYTES")
        image.set_data_from_numpy(np.array([[encoded(photo, "PNG")]], dtype=np.object_))
        decoded = client.infer("decode", [image])
        assert (decoded.as_numpy("pixels")[0] == np.asarray(photo)).all()
        assert decoded.as_numpy("format").tolist() == [[b"png"]]
        assert decoded.as_numpy("quality").tolist() == [[0]]
        asked = client.infer("decode", [image], parameters={"format": "webp", "quality": 70})
        assert asked.as_numpy("format").tolist() == [[b"webp"]]
        assert asked.as_numpy("quality").tolist() == [[70]]

        picture = grpc.InferInput("pixels", [1, 127, 181, 3], "UINT8")
        picture.set_data_from_numpy(np.asarray(photo)[np.newaxis])
        encoding = grpc.InferInput("format", [1, 1], "BYTES")
        quality = grpc.InferInput("quality", [1, 1], "INT32")
        quality.set_data_from_numpy(np.array([[0]], dtype=np.int32))
        encoding.set_data_from_numpy(np.array([[b"png"]], dtype=np.object_))
        result = client.infer("encode", [picture, encoding, quality]).as_numpy("encoded").item()
        assert (pixels(result) == np.asarray(photo)).all()
        encoding.set_data_from_numpy(np.array([[b"\xff"]], dtype=np.object_))
        with pytest.raises(InferenceServerException, match="cannot be written"):
            client.infer("encode", [picture, encoding, quality])


def test_unusable_configurations_fail_the_load_and_say_why(tmp_path):
    changes = {
        "decode": ('"2097152"', '"4 million"'),
        "encode": ('"95"', '"101"'),
        "style_weights": ("", ""),
    }
    for name, (old, new) in changes.items():
        shutil.copytree(MODELS / name, tmp_path / name)
        config = tmp_path / name / "config.pbtxt"
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
    log: list[str] = []
    with pytest.raises(StartError), TritonServer(tmp_path, log=log.append):
        pass
    words = "\n".join(log)
    assert "'max_pixels' in config.pbtxt must be a whole number above 0, not '4 million'" in words
    assert "'jpeg_quality' in config.pbtxt must be a whole number from 1 to 100, not '101'" in words
    assert f"cannot read the names of the styles from {tmp_path}/style/config.pbtxt" in words


def test_its_own_parameter_names_the_styles_where_no_neighbour_does(tmp_path):
    shutil.copytree(MODELS / "style_weights", tmp_path / "style_weights")
    with (tmp_path / "style_weights" / "config.pbtxt").open("a") as config:
        config.write('parameters { key: "styles" value { string_value: "a,b,c" } }\n')
    with TritonServer(tmp_path) as server, grpc.InferenceServerClient(server.grpc_url) as client:
        style = grpc.InferInput("style", [1, 1], "BYTES")
        for text, weights in zip([b"b", b"a,c"], [[0, 1, 0], [0.5, 0, 0.5]], strict=True):
            style.set_data_from_numpy(np.array([[text]], dtype=np.object_))
            assert client.infer("style_weights", [style]).as_numpy("weights")[0].tolist() == weights
