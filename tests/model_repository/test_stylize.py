"""The image path through the real server."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from skimage import data
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import StartError, TritonServer
from fakes.style_network import write_style_weights

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
        (b"", "udnie", {}, "in ensemble 'stylize', the image is empty: send the bytes of"),
        (b"GIF89a\1\0", "udnie", {}, "in ensemble 'stylize', the image is a GIF, which is not"),
        (None, "grat_wave", {}, "in ensemble 'stylize', unknown style 'grat_wave'; did you mean"),
        (None, b"\xff", {}, "is not UTF-8: send one of great_wave, starry_night, the_scream"),
        (None, "udnie:-1", {}, "must be 0 or more"),
        (b"", "nobody", {}, "the image is empty"),
        (None, "udnie", {"format": "gif"}, "in ensemble 'stylize', format 'gif' cannot be written"),
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
    # The network of this ensemble would keep a single picture until others come.
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


def for_encode(*images: dict[str, object]) -> list[grpc.InferInput]:
    """The inputs of `encode` for a batch of images that are answered as they are, but for what
    each one gives beside its pixels.
    """
    defaults = {"original": np.empty((0, 0, 3)), "profile": b"", "format": b"png", "quality": [0]}
    rows = [{**defaults, "size": image["pixels"].shape[:2], **image} for image in images]
    types = {"pixels": "UINT8", "original": "UINT8", "size": "INT32", "quality": "INT32"}
    rows = [
        {name: list(value) if isinstance(value, bytes) else value for name, value in row.items()}
        for row in rows
    ]
    types |= {"profile": "UINT8", "format": "UINT8"}
    return [
        tensor(
            name,
            [row[name] for row in rows],
            datatype,
            [len(rows), *np.shape(rows[0][name])],
        )
        for name, datatype in types.items()
    ]


def files(answer: grpc.InferResult) -> list[bytes]:
    """The files of `encode`, without what they are filled up with."""
    rows = zip(answer.as_numpy("encoded"), answer.as_numpy("length").flat, strict=True)
    return [row[:length].tobytes() for row, length in rows]


def test_steps_serve_alone(server, encoded, photo):
    picture = np.asarray(photo)
    with grpc.InferenceServerClient(server.grpc_url) as client:
        weights = client.infer("style_weights", [text("style", b"great_wave,udnie")])
        assert weights.as_numpy("weights").tolist() == [[0.5, 0, 0, 0.5]]

        image = text("image", encoded(photo, "PNG"))
        decoded = client.infer("decode", [image])
        assert (decoded.as_numpy("pixels")[0] == picture).all()
        assert decoded.as_numpy("original").shape == (1, 0, 0, 3)
        assert decoded.as_numpy("size").tolist() == [[127, 181]]
        assert decoded.as_numpy("profile").shape == (1, 0)
        assert decoded.as_numpy("format").tobytes() == b"png"
        assert decoded.as_numpy("quality").tolist() == [[0]]
        options = {"format": "webp", "quality": 70, "keep_colors": True, "longest_side": 100}
        asked = client.infer("decode", [image], parameters=options)
        assert asked.as_numpy("pixels").shape == (1, 70, 100, 3)
        assert (asked.as_numpy("original")[0] == picture).all()
        assert asked.as_numpy("size").tolist() == [[127, 181]]
        assert asked.as_numpy("format").tobytes() == b"webp"
        assert asked.as_numpy("quality").tolist() == [[70]]

        [file] = files(client.infer("encode", for_encode({"pixels": picture})))
        assert (pixels(file) == picture).all()
        larger = client.infer("encode", for_encode({"pixels": picture, "size": [254, 362]}))
        assert opened(files(larger)[0]).size == (362, 254)


def test_asking_for_the_classes_of_an_output_ends_nothing(server, stylize, encoded, photo):
    image, style = text("image", encoded(photo, "PNG")), text("style", b"great_wave")
    asked = {"stylize": ([image, style], ["stylized"]), "decode": ([image], ["format", "profile"])}
    with grpc.InferenceServerClient(server.grpc_url) as client:
        for model, (inputs, names) in asked.items():
            outputs = [grpc.InferRequestedOutput(name, class_count=1) for name in names]
            client.infer(model, inputs, outputs=outputs)
    assert opened(stylize(encoded(photo, "PNG"))).size == photo.size


def test_encode_takes_paintings_of_one_size_together(server, photo):
    picture = np.asarray(photo)
    images = [
        {"pixels": picture},
        {"pixels": 255 - picture, "size": [30, 40], "quality": [100]},
        {"pixels": picture // 2},
    ]
    with grpc.InferenceServerClient(server.grpc_url) as client:
        answer = client.infer("encode", for_encode(*images))
        together, rows = files(answer), answer.as_numpy("encoded")
        assert len({len(file) for file in together}) == 3
        assert rows.shape == (3, max(map(len, together)))
        assert [opened(row.tobytes()).size for row in rows] == [(181, 127), (40, 30), (181, 127)]
        for file, image in zip(together, images, strict=True):
            assert files(client.infer("encode", for_encode(image))) == [file]
        with pytest.raises(InferenceServerException, match="quality 101 is not from 1 to 100"):
            client.infer("encode", for_encode(*images, {"pixels": picture, "quality": [101]}))


def test_encode_writes_the_profile(server, photo):
    image = {"pixels": np.asarray(photo), "format": b"jpeg", "profile": PROFILE}
    with grpc.InferenceServerClient(server.grpc_url) as client:
        [file] = files(client.infer("encode", for_encode(image)))
    assert opened(file).info["icc_profile"] == PROFILE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": b"\xff"}, "cannot be written"),
        ({"quality": [101]}, "quality 101 is not from 1 to 100"),
        ({"size": [0, 181]}, "size 0, 181 (height, width) is not from 1 to 52428800 pixels"),
        ({"size": [-1, -1]}, "size -1, -1"),
        ({"size": [2**31 - 1, 2**31 - 1]}, "raise parameter 'max_pixels' of the model 'encode'"),
        ({"pixels": np.empty((0, 0, 3)), "size": [127, 181]}, "there are no pixels"),
        ({"original": np.zeros((16, 20, 3))}, "16 x 20 pixels (height x width), which is not the"),
    ],
)
def test_a_step_that_serves_alone_refuses_what_it_cannot_do(server, photo, changes, words):
    with grpc.InferenceServerClient(server.grpc_url) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.infer("encode", for_encode({"pixels": np.asarray(photo), **changes}))
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert words in caught.value.message()


@contextmanager
def serve(repository: Path) -> Iterator[grpc.InferenceServerClient]:
    """Serves models whose configuration lacks nothing, and ends at once."""
    server = TritonServer(repository, options=["--disable-auto-complete-config"]).start()
    try:
        with grpc.InferenceServerClient(server.grpc_url) as client:
            yield client
    finally:
        server.kill()
        server.wait()


def test_encode_refuses_a_painting_beyond_its_limit(tmp_path, photo):
    config = shutil.copytree(MODELS / "encode", tmp_path / "encode") / "config.pbtxt"
    limit = 181 * 127
    assert config.read_text().count('"52428800"') == 1
    config.write_text(config.read_text().replace('"52428800"', f'"{limit}"'))
    picture = np.asarray(photo)
    larger = np.asarray(photo.resize((181, 128)))
    with serve(tmp_path) as client:
        [file] = files(client.infer("encode", for_encode({"pixels": picture})))
        assert (pixels(file) == picture).all()
        with pytest.raises(InferenceServerException) as caught:
            client.infer("encode", for_encode({"pixels": larger, "size": [127, 181]}))
        assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
        words = f"pixels has 128 x 181 pixels (height x width), more than {limit}: raise parameter"
        assert words in caught.value.message()


def test_unusable_configurations_fail_the_load_and_say_why(tmp_path):
    changes = {
        "decode": ('"4194304"', '"4 million"'),
        "encode": ('"90"', '"101"'),
        "style_weights": ('"styles"', '"names"'),
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
    assert "'webp_quality' in config.pbtxt must be a whole number from 1 to 100, not '101'" in words
    assert "config.pbtxt has no parameter 'styles': set it to the names of the styles" in words


def test_its_own_parameter_names_the_styles(tmp_path):
    write_style_weights(tmp_path, ["a", "b", "c"])
    with serve(tmp_path) as client:
        style = grpc.InferInput("style", [1, 1], "BYTES")
        for text, weights in zip([b"b", b"a,c"], [[0, 1, 0], [0.5, 0, 0.5]], strict=True):
            style.set_data_from_numpy(np.array([[text]], dtype=np.object_))
            assert client.infer("style_weights", [style]).as_numpy("weights")[0].tolist() == weights
