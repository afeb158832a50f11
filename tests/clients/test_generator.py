"""Both clients generate with the scripted server's generator."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tritonclient.grpc import model_config_pb2

from atelier import AsyncClient, InvalidRequest, ServerFailed, Unreachable
from atelier._generator import MAX_TRUNCATION, arc, path
from fakes.autoencoder import tensors_answer
from fakes.generator import (
    LENGTH,
    MOVEMENTS,
    NETWORK_VERSION,
    SIDE,
    TRUNCATION,
    Generator,
    encoded,
    images_answer,
    latents_of,
    painted,
)

DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")
UKIYO_E = MOVEMENTS.index("ukiyo_e")
CALLS = {
    "generate": ((), {}),
    "latents": ((), {}),
    "paint": ((np.zeros((1, LENGTH)),), {"movement": "cubism"}),
    "walk": (([1, 2],), {"movement": "cubism"}),
}
ZEROS = np.zeros((2, LENGTH))


@pytest.fixture
def scripted(server):
    """The scripted server with a generator."""
    server.generator = Generator()
    return server


def asked(server, model: str = "generate") -> list[tuple[int, int]]:
    """The first image and the count of every request to a model."""
    return [
        (request.parameters["first"].int64_param, request.parameters["count"].int64_param)
        for request in server.requests
        if request.model_name == model
    ]


def seeds_of(server, model: str = "generate") -> list[int]:
    found = []
    for request in server.requests:
        names = [tensor.name for tensor in request.inputs]
        if request.model_name == model and "seed" in names:
            raw = request.raw_input_contents[names.index("seed")]
            found.append(int.from_bytes(raw, "little", signed=True))
    return found


def pixels(images: Sequence[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


def expected(latents: np.ndarray, movement: int) -> np.ndarray:
    return np.stack([painted(latent, movement) for latent in latents])


def test_images_of_a_seed(scripted, ask):
    images = ask(scripted.url, "generate", 3, movement="Ukiyo-e", seed=7)
    assert all((image.mode, image.size) == ("RGB", (SIDE, SIDE)) for image in images)
    assert {image.info["network_version"] for image in images} == {NETWORK_VERSION}
    np.testing.assert_array_equal(pixels(images), expected(latents_of(7, range(3)), UKIYO_E))
    assert scripted.configs == ["generate"]
    assert len(ask(scripted.url, "generate", seed=7)) == 1


@pytest.mark.parametrize("seed", [0, 2**63 - 1, np.int64(5)])
def test_every_seed_there_is(scripted, ask, seed):
    ask(scripted.url, "generate", seed=seed)
    assert seeds_of(scripted) == [int(seed)]


def test_without_a_movement_every_image_has_its_own(scripted, ask):
    images = pixels(ask(scripted.url, "generate", 6, seed=1))
    assert images[:, -1, 0, 0].tolist() == [0, 50, 100, 0, 50, 100]
    assert all("movement" not in {t.name for t in r.inputs} for r in scripted.requests)


def test_without_a_seed_images_are_new_each_time(scripted, ask):
    images = pixels([image for _ in range(3) for image in ask(scripted.url, "generate", 5)])
    assert len(np.unique(images, axis=0)) == 15
    assert len(set(map(bytes, ask(scripted.url, "latents", 5)))) == 5


@pytest.mark.parametrize("method", ["generate", "latents"])
@pytest.mark.parametrize(
    ("most", "requests"),
    [(1, [(n, 1) for n in range(9)]), (4, [(0, 4), (4, 4), (8, 1)]), (9, [(0, 9)])],
)
def test_a_request_has_as_many_images_as_the_model_takes(scripted, ask, method, most, requests):
    scripted.generator.max_count = most
    found = ask(scripted.url, method, 9)
    assert asked(scripted, method) == requests
    (seed,) = set(seeds_of(scripted, method))
    assert scripted.configs == ["generate"]
    latents = latents_of(seed, range(9))
    if method == "latents":
        np.testing.assert_array_equal(found, latents)
    else:
        halves = pixels(found)[:, : SIDE // 2]
        np.testing.assert_array_equal(halves, expected(latents, 0)[:, : SIDE // 2])


def test_the_latents_of_images(scripted, ask):
    latents = ask(scripted.url, "latents", 6, seed=7, truncation=1)
    assert latents.dtype == np.float32
    np.testing.assert_array_equal(latents, latents_of(7, range(6), 1))
    images = ask(scripted.url, "generate", 6, seed=7, truncation=1, movement="cubism")
    again = ask(scripted.url, "paint", latents, movement="cubism")
    np.testing.assert_array_equal(pixels(again), pixels(images))


def test_the_truncation_is_the_servers_unless_it_is_given(scripted, ask):
    assert abs(ask(scripted.url, "latents", 40, seed=1)).max() > TRUNCATION / 4 * 0.9
    assert "truncation" not in scripted.requests[-1].parameters
    assert abs(ask(scripted.url, "latents", 40, seed=1, truncation=0.5)).max() <= 0.125
    assert scripted.requests[-1].parameters["truncation"].double_param == 0.5
    ask(scripted.url, "generate", truncation=4)
    assert scripted.requests[-1].parameters["truncation"].double_param == 4


def test_a_version_of_the_network_is_asked_for_in_every_request(scripted, ask):
    scripted.generator.max_count = 2
    ask(scripted.url, "generate", 3, seed=1, network_version=4)
    versions = [request.parameters["network_version"].int64_param for request in scripted.requests]
    assert versions == [4, 4]
    ask(scripted.url, "generate", seed=1)
    assert "network_version" not in scripted.requests[-1].parameters


def test_latents_of_the_callers_own(scripted, ask):
    latents = np.linspace(-1, 1, 6 * LENGTH, dtype=np.float32).reshape(6, LENGTH)
    for same in (latents, latents.astype(np.float64), latents.tolist(), latents[:, ::-1][:, ::-1]):
        scripted.requests.clear()
        images = ask(scripted.url, "paint", same, movement="ukiyo_e")
        np.testing.assert_array_equal(pixels(images), expected(latents, UKIYO_E))
        sent = [request.inputs[0].shape for request in scripted.requests]
        assert sent == [[4, LENGTH], [2, LENGTH]]


def test_images_come_back_without_loss(scripted, ask):
    ask(scripted.url, "generate")
    assert scripted.requests[-1].parameters["format"].string_param == "png"


def test_the_names_of_the_movements(scripted, ask):
    assert ask(scripted.url, "movements") == list(MOVEMENTS)


def test_a_walk_meets_every_seed_once(scripted, ask):
    images = pixels(ask(scripted.url, "walk", [5, 9, 5], movement="ukiyo_e", steps=4, truncation=1))
    assert len(images) == 2 * 3 + 1
    ends = [latents_of(seed, [0], 1)[0] for seed in (5, 9)]
    latents = path([*ends, ends[0]], 4)
    np.testing.assert_array_equal(images, expected(latents, UKIYO_E))
    for seed, place in ((5, 0), (9, 3), (5, 6)):
        (image,) = ask(scripted.url, "generate", seed=seed, movement="ukiyo_e", truncation=1)
        np.testing.assert_array_equal(images[place], np.asarray(image))
    # Each seed is asked for once.
    assert seeds_of(scripted, "latents") == [5, 9]


@pytest.mark.parametrize("kind", [tuple, list, iter, np.array])
def test_seeds_of_every_kind(scripted, ask, kind):
    assert len(ask(scripted.url, "walk", kind([1, 2]), movement="cubism")) == 16
    assert seeds_of(scripted, "latents") == [1, 2]


def test_a_walk_that_stands_still(scripted, ask):
    images = ask(scripted.url, "walk", [3, 3], movement="cubism", steps=5)
    assert len({image.tobytes() for image in images}) == 1


def test_an_arc_keeps_length_and_pace():
    start, end = np.random.default_rng(0).standard_normal((2, 128)).astype(np.float32)
    start, end = start / np.linalg.norm(start), 3 * end / np.linalg.norm(end)
    points = arc(start, end / 3, 9)
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points[[0, -1]], [start, end / 3])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-6)
    angles = np.arccos(np.sum(points[1:] * points[:-1], axis=1))
    np.testing.assert_allclose(angles, np.arccos(start @ end / 3) / 8, rtol=1e-3)
    # Ends of two lengths are reached as well.
    np.testing.assert_array_equal(arc(start, end, 5)[[0, -1]], [start, end])
    # The middle of a quarter of a circle.
    east, north = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(arc(east, north, 3)[1], [0.5**0.5] * 2, rtol=1e-6)


@pytest.mark.parametrize("end", [[1, 0], [-1, 0], [0, 0], [2, 0], [-1, 1e-8]])
def test_an_arc_without_a_plane_is_a_line(end):
    points = arc(np.array([1, 0], np.float32), np.array(end, np.float32), 3)
    np.testing.assert_allclose(points, [[1, 0], [(1 + end[0]) / 2, 0], end], atol=1e-6)


@pytest.mark.parametrize(
    ("method", "arguments", "reason"),
    [
        ("generate", {"count": 0}, "count 0 is not possible: give 1 to 10000"),
        ("latents", {"count": 10_001}, "count 10001 is not possible: give 1 to 10000"),
        ("generate", {"seed": -1}, "seed -1 is not possible: give 0 to 9223372036854775807"),
        ("latents", {"seed": 2**63}, "seed 9223372036854775808 is not possible"),
        ("generate", {"truncation": 0}, "truncation 0.0 is not possible: give above 0, up to 4"),
        ("latents", {"truncation": 4.1}, "truncation 4.1 is not possible: give above 0, up to 4"),
        ("walk", {"truncation": float("nan")}, "truncation nan is not possible"),
        ("generate", {"truncation": 10**400}, "truncation inf is not possible"),
        ("generate", {"movement": "cub\ud800ism"}, "movement: .* is not text in UTF-8"),
        ("walk", {"movement": " "}, "movement: ' ' is no name; `movements` lists them"),
        ("paint", {"movement": ""}, "movement: '' is no name"),
        ("paint", {"movement": None}, "movement: None is no name"),
        ("walk", {"seeds": []}, r"seeds \[\] have nothing between them; give two or more"),
        ("walk", {"seeds": [4]}, r"seeds \[4\] have nothing between them; give two or more"),
        ("walk", {"seeds": [4, -4]}, "seed -4 is not possible"),
        ("walk", {"steps": 1}, "steps 1 is not possible: give 2 to 10000"),
        (
            "walk",
            {"seeds": [1, 2, 3], "steps": 5002},
            "3 seeds in steps of 5002 are 10003 images; 10000 is the most",
        ),
        ("paint", {"latents": np.zeros(LENGTH)}, r"latents has the shape \(6,\); give \(n, Z\)"),
        ("paint", {"latents": 0}, r"latents has the shape \(\); give \(n, Z\) numbers"),
        ("paint", {"latents": np.zeros((0, LENGTH))}, "latents: there are 0; give 1 to 10000"),
        ("paint", {"latents": np.zeros((10_001, 1))}, "latents: there are 10001; give 1 to"),
        ("paint", {"latents": [[1, 2], [3]]}, "latents: it is no array; give"),
        ("paint", {"latents": [["a"]]}, "latents: its elements are <U1; give numbers"),
        ("paint", {"latents": [[0, 0], [0, np.nan]]}, "latents: element 1, 1 is nan; give finite"),
        ("paint", {"latents": [[0, 1e300]]}, r"latents: element 0, 1 is 1e\+300"),
    ],
)
def test_what_is_refused_before_anything_is_sent(scripted, ask, method, arguments, reason):
    positional, options = CALLS[method]
    options = {**options, **arguments}
    if {"seeds", "latents"} & set(arguments):
        positional = ()
    with pytest.raises(InvalidRequest, match=reason) as caught:
        ask(scripted.url, method, *positional, **options)
    assert caught.value.code is None
    assert not scripted.requests
    assert not scripted.configs


def test_latents_of_another_length(scripted, ask):
    with pytest.raises(InvalidRequest, match="latents have 7 numbers each; generate takes 6"):
        ask(scripted.url, "paint", np.zeros((2, LENGTH + 1)), movement="cubism")
    assert not scripted.requests


@pytest.mark.parametrize(
    ("method", "arguments", "reason"),
    [
        ("generate", {"count": 2.0}, "count is a float; give a whole number"),
        ("generate", {"seed": "7"}, "seed is a str; give a whole number"),
        ("generate", {"movement": 3}, "movement is a int; give a name"),
        ("latents", {"truncation": "1"}, "truncation is a str; give a number"),
        ("walk", {"seeds": 3}, "seeds is a int; give two or more whole numbers"),
        ("walk", {"seeds": "12"}, "seed is a str; give a whole number"),
        ("walk", {"steps": None}, "steps is a NoneType; give a whole number"),
    ],
)
def test_what_is_of_another_type(scripted, ask, method, arguments, reason):
    positional, options = CALLS[method]
    if "seeds" in arguments:
        positional = ()
    with pytest.raises(TypeError, match=reason):
        ask(scripted.url, method, *positional, **{**options, **arguments})


@pytest.mark.parametrize("method", ["generate", "paint", "walk"])
def test_a_movement_that_the_server_does_not_know(scripted, ask, method):
    positional, options = CALLS[method]
    with pytest.raises(InvalidRequest, match="movement 'cubsm' is unknown; there are cubism"):
        ask(scripted.url, method, *positional, **{**options, "movement": "cubsm"})


@pytest.mark.parametrize("method", [*CALLS, "movements"])
def test_a_server_without_a_generator_says_so(server, ask, method):
    positional, options = CALLS.get(method, ((), {}))
    with pytest.raises(InvalidRequest) as caught:
        ask(server.url, method, *positional, **options)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert caught.value.model == "generate"
    refusal = "Request for unknown model: 'generate' is not found"
    assert str(caught.value) == f"{refusal} [request id: {caught.value.request_id}]"


@pytest.mark.parametrize(
    "parameters",
    [
        {"movements": ""},
        {"movements": "cubism,"},
        {"latent_length": "many"},
        {"latent_length": "0"},
        {"max_count": "0"},
        {"max_count": None},
    ],
)
def test_a_configuration_that_is_no_generators(scripted, ask, parameters, monkeypatch):
    describe = scripted.generator.describe

    def described(config):
        describe(config)
        for name, value in parameters.items():
            del config.parameters[name]
            if value is not None:
                config.parameters[name].string_value = value

    monkeypatch.setattr(scripted.generator, "describe", described)
    with pytest.raises(
        ServerFailed, match=r"'generate' has the parameters .* expected 'movements'"
    ):
        ask(scripted.url, "generate")


FILE = encoded(np.zeros((SIDE, SIDE, 3), np.uint8))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], r"generate answered without a whole 'images' of UINT8 \[2, -1\]"),
        ([FILE], r"generate answered without a whole 'images' of UINT8 \[2, -1\]"),
        ([FILE] * 3, r"generate answered without a whole 'images' of UINT8 \[2, -1\]"),
        ([FILE, b"no image"], "the server's answer is not an image"),
        ([FILE, FILE[:45]], "the server's answer is not an image"),
    ],
)
def test_answers_that_are_not_the_images(scripted, ask, files, reason):
    scripted.script = [images_answer(files)]
    with pytest.raises(ServerFailed, match=reason):
        ask(scripted.url, "generate", 2)


def test_an_answer_that_is_cut_off(scripted, ask):
    answer = images_answer([FILE, FILE])
    answer.raw_output_contents[0] = answer.raw_output_contents[0][:-1]
    scripted.script = [answer]
    with pytest.raises(ServerFailed, match="without a whole 'images'"):
        ask(scripted.url, "generate", 2)


@pytest.mark.parametrize("shape", [(1, LENGTH), (2, LENGTH + 1)])
def test_an_answer_of_other_latents(scripted, ask, shape):
    wrong = {"latents": ("FP32", np.zeros(shape, "<f4"))}
    scripted.script = [tensors_answer("latents", wrong)]
    with pytest.raises(ServerFailed, match=r"without a whole 'latents' of FP32 \[2, 6\]"):
        ask(scripted.url, "latents", 2)


def test_a_failure_in_the_middle_is_tried_again(scripted, ask, clock):
    scripted.script = [None, DRAINING, None]
    images = pixels(ask(scripted.url, "generate", 6, seed=7, movement="ukiyo_e", timeout=50))
    np.testing.assert_array_equal(images, expected(latents_of(7, range(6)), UKIYO_E))
    assert asked(scripted) == [(0, 4), (4, 2), (4, 2)]
    left = [request.parameters["timeout"].int64_param / 1e6 for request in scripted.requests]
    assert left == pytest.approx([50, 50, 50 - clock.pauses[0]], abs=1e-5)


def test_a_failure_in_the_middle_is_the_calls(scripted, ask):
    scripted.script = [None, DRAINING]
    with pytest.raises(Unreachable, match="Server is stopping"):
        ask(scripted.url, "generate", 6, client={"retries": 0})


async def test_calls_side_by_side(scripted):
    async with AsyncClient(scripted.url) as art:
        calls = [art.generate(6, seed=seed, movement="ukiyo_e") for seed in range(5)]
        for seed, images in enumerate(await asyncio.gather(*calls)):
            latents = latents_of(seed, range(6))
            np.testing.assert_array_equal(pixels(images), expected(latents, UKIYO_E))


def test_the_largest_truncation_is_that_of_the_published_model():
    config = model_config_pb2.ModelConfig()
    file = Path(__file__).parents[2] / "model_repository" / "latents" / "config.pbtxt"
    text_format.Parse(file.read_text(), config)
    assert float(config.parameters["largest_truncation"].string_value) == MAX_TRUNCATION
