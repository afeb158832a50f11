"""The path from an encoded image to named movements, through the real server.

The network of these tests is told in the conftest of all tests: red is baroque, green is
impressionism, blue is ukiyo_e.
"""

import itertools
import random
import re
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format, text_format
from grpc import insecure_channel
from PIL import Image
from tritonclient import grpc
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import TritonServer
from fakes.triton import serving

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "export" / "atelier_export" / "classifier"
SHARPNESS = 4
ERAS = ["classical", "modern", "abstract"]
REPORTED = 1e-6
"""What the classification extension rounds probabilities to."""


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, add_classifier: Callable[[Path], None]
) -> Iterator[TritonServer]:
    """Serves `classify` and its classifier."""
    path = tmp_path_factory.mktemp("repository")
    add_classifier(path)
    with serving(path) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[grpc.InferenceServerClient]:
    with grpc.InferenceServerClient(server.grpc_url) as connected:
        yield connected


def pixel_tensor(pixels: np.ndarray) -> grpc.InferInput:
    tensor = grpc.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels)
    return tensor


def encoded_tensor(*files: bytes) -> grpc.InferInput:
    tensor = grpc.InferInput("image", [len(files), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[file] for file in files], dtype=np.object_))
    return tensor


def requested(**class_counts: int) -> list[grpc.InferRequestedOutput]:
    return [
        grpc.InferRequestedOutput(name, class_count=count) for name, count in class_counts.items()
    ]


def labels(result: grpc.InferResult, output: str) -> list[tuple[str, float]]:
    """The names and probabilities of the first image of a batch, in the server's order."""
    parts = [entry.decode().split(":") for entry in result.as_numpy(output)[0]]
    return [(name, float(probability)) for probability, _, name in parts]


def refusal(client: grpc.InferenceServerClient, *args: object, **options: object) -> str:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(*args, **options)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return caught.value.message()


def softmax_of_mean(pixels: np.ndarray) -> np.ndarray:
    powers = np.exp(pixels.reshape(-1, 3).mean(axis=0) / 255 * SHARPNESS)
    return powers / powers.sum()


def config_of(name: str) -> model_config_pb2.ModelConfig:
    text = string.Template((TEMPLATES / f"{name}.pbtxt").read_text())
    filled = text.substitute(movements=9, eras=3, files="")
    return text_format.Parse(filled, model_config_pb2.ModelConfig())


def test_the_templates_are_configurations_that_fit_together():
    classify, classifier = config_of("classify"), config_of("classifier")
    assert (classify.name, classifier.name) == ("classify", "classifier")
    assert classify.parameters["calls"].string_value == "classifier"
    for config in (classify, classifier):
        outputs = {output.name: list(output.dims) for output in config.output}
        version = {"network_version": [1]} if config is classify else {}
        assert outputs == {"probabilities": [9], "era_probabilities": [3], **version}


@pytest.mark.parametrize("size", [(16, 16), (17, 333), (640, 427)])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_an_encoded_image_gives_probabilities(client, photo, encoded, size, format_name):
    image = photo.resize(size)
    file = encoded(image, format_name, quality=95)
    result = client.infer("classify", [encoded_tensor(file)])
    probabilities = result.as_numpy("probabilities")
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (1, 9))
    assert result.as_numpy("network_version").tolist() == [[1]]
    assert probabilities.sum() == pytest.approx(1)
    eras = result.as_numpy("era_probabilities")
    assert eras[0] == pytest.approx(softmax_of_mean(np.asarray(image)), abs=0.01)


def test_pixels_give_probabilities_in_batches(client, photo):
    batch = np.stack([np.asarray(photo), 255 - np.asarray(photo)])
    eras = client.infer("classifier", [pixel_tensor(batch)]).as_numpy("era_probabilities")
    for found, pixels in zip(eras, batch, strict=True):
        assert found == pytest.approx(softmax_of_mean(pixels), abs=1e-4)


@pytest.mark.parametrize("model", ["classifier", "classify"])
def test_the_classification_extension_names_the_labels(client, encoded, model):
    image = Image.new("RGB", (40, 30), (30, 20, 250))
    pixels = np.asarray(image)[np.newaxis]
    tensor = (
        pixel_tensor(pixels) if model == "classifier" else encoded_tensor(encoded(image, "PNG"))
    )
    raw = client.infer(model, [tensor])
    result = client.infer(model, [tensor], outputs=requested(probabilities=3, era_probabilities=3))
    movements, eras = labels(result, "probabilities"), labels(result, "era_probabilities")
    assert movements[0][0] == "ukiyo_e"
    best = np.sort(raw.as_numpy("probabilities")[0])[::-1][:3]
    assert [probability for _, probability in movements] == pytest.approx(best, abs=REPORTED)
    assert [name for name, _ in eras] == ["abstract", "classical", "modern"]
    by_name = [dict(eras)[name] for name in ERAS]
    assert by_name == pytest.approx(raw.as_numpy("era_probabilities")[0], abs=REPORTED)


@pytest.mark.parametrize(
    ("colour", "movement"),
    [("red", "baroque"), ("lime", "impressionism"), ("blue", "ukiyo_e")],
)
def test_every_image_has_labels_of_its_own(client, encoded, colour, movement):
    file = encoded(Image.new("RGB", (20, 20), colour), "PNG")
    result = client.infer("classify", [encoded_tensor(file)], outputs=requested(probabilities=1))
    assert [name for name, _ in labels(result, "probabilities")] == [movement]


def test_the_plain_protocol_of_the_readme(server, encoded):
    (outputs,) = re.findall(r'`("outputs": .*?)`', (ROOT / "README.md").read_text(), re.DOTALL)
    request = service_pb2.ModelInferRequest(model_name="classify")
    json_format.Parse(f"{{{outputs}}}", request)
    image = request.inputs.add(name="image", datatype="BYTES", shape=[1, 1])
    image.contents.bytes_contents.append(encoded(Image.new("RGB", (20, 20), "blue"), "PNG"))
    with insecure_channel(server.grpc_url) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("probabilities", "BYTES", [1, 3])
    assert answer.raw_output_contents[0][4:].startswith(b"0.")
    assert b":8:ukiyo_e" in answer.raw_output_contents[0]


@pytest.mark.parametrize("model", ["classifier", "classify"])
def test_triton_gives_every_label_where_more_are_asked_for(client, encoded, photo, model):
    pixels = np.asarray(photo)[np.newaxis]
    tensor = (
        pixel_tensor(pixels) if model == "classifier" else encoded_tensor(encoded(photo, "PNG"))
    )
    for count in (9, 10, 2**31 - 1):
        result = client.infer(model, [tensor], outputs=requested(probabilities=count))
        assert len({name for name, _ in labels(result, "probabilities")}) == 9
    words = refusal(client, model, [tensor], outputs=requested(probabilities=-1))
    assert "'classification' parameter, expected >= 0" in words


@pytest.mark.parametrize(
    "name", ["style", "strength", "keep_colors", "format", "longest_side", "♥"]
)
def test_an_option_of_another_model_is_refused_by_name(client, encoded, photo, name):
    tensor = encoded_tensor(encoded(photo, "PNG"))
    words = refusal(client, "classify", [tensor], parameters={name: "1"})
    assert words == (
        f"'{name}' is not an option of this model: leave it out; its options are bulk, "
        "network_version"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bulk": "perhaps"}, "bulk 'perhaps' is not possible: use true or false"),
        ({"network_version": 0}, "network_version 0 is not possible: use the number of a version"),
        ({"network_version": "2"}, "network_version 2 is not served: leave it out, or use one"),
    ],
)
def test_an_option_with_a_wrong_value_is_refused(client, encoded, photo, options, words):
    tensor = encoded_tensor(encoded(photo, "PNG"))
    assert refusal(client, "classify", [tensor], parameters=options).startswith(words)
    right = {"bulk": "true", "network_version": 1}
    result = client.infer("classify", [tensor], parameters=right)
    assert result.as_numpy("probabilities").shape == (1, 9)


def test_what_triton_itself_reads_is_no_option(client, encoded, photo):
    tensor = encoded_tensor(encoded(photo, "PNG"))
    result = client.infer("classify", [tensor], timeout=60_000_000, priority=1)
    assert result.as_numpy("probabilities").shape == (1, 9)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (b"", "the image is empty: send the bytes of a JPEG, PNG or"),
        (b"GIF89a\1\0", "the image is a GIF, which is not supported"),
        (b"\xff\xd8\xff and no more", "the JPEG image is damaged or cut"),
    ],
)
def test_what_is_no_image_is_refused(client, file, words):
    assert words in refusal(client, "classify", [encoded_tensor(file)])


@pytest.mark.parametrize("size", [(15, 16), (16, 15), (1, 1)])
def test_an_image_too_small_is_refused(client, encoded, photo, size):
    words = refusal(client, "classify", [encoded_tensor(encoded(photo.resize(size), "PNG"))])
    width, height = size
    assert f"has {width} x {height} pixels: each side needs at least 16" in words


def test_a_batch_too_large_is_refused(client, encoded, photo):
    file = encoded(photo, "PNG")
    words = refusal(client, "classify", [encoded_tensor(file, file)])
    assert "batch-size must be <= 1 for 'classify'" in words
    pixels = np.zeros((9, 16, 16, 3), np.uint8)
    words = refusal(client, "classifier", [pixel_tensor(pixels)])
    assert "batch-size must be <= 8 for 'classifier'" in words


def damaged(whole: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    """The file cut off, with flipped bits, and with a part of it twice."""
    for _ in range(count):
        a, b = sorted(rng.randrange(len(whole)) for _ in range(2))
        flipped = bytearray(whole)
        flipped[a] ^= 1 << rng.randrange(8)
        yield from (whole[:a], bytes(flipped), whole[:b] + whole[a:])


def test_damaged_images_change_nothing_for_a_good_one(client, encoded, photo):
    rng = random.Random(20_240_717)
    good = encoded(photo, "JPEG")
    files = [encoded(photo, name) for name in ("JPEG", "PNG", "WEBP")]
    broken = list(itertools.chain.from_iterable(damaged(file, 30, rng) for file in files))
    broken += [good[:3] + rng.randbytes(length) for length in (0, 1, 10, 1_000, 100_000)]

    def send(file: bytes) -> str:
        try:
            result = client.infer(
                "classify",
                [encoded_tensor(file)],
                outputs=requested(probabilities=9),
                client_timeout=60,
            )
        except InferenceServerException as error:
            return f"{error.status()}: {error.message()}"
        return repr(labels(result, "probabilities"))

    expected = send(good)
    with ThreadPoolExecutor(4) as senders:
        answers = list(senders.map(send, [file for each in broken for file in (each, good)]))
    assert set(answers[1::2]) == {expected}
    refused = [answer for answer in answers[::2] if not answer.startswith("[")]
    assert len(refused) > 50
    for answer in refused:
        assert answer.startswith("StatusCode.INVALID_ARGUMENT: the ")
