"""The path from a seed to new images, through the real server.

The generator of these tests is exported here and has learnt nothing: its images are noise, of which
the same is wanted again and again.
"""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from seeded_latents import seeded_latent, seeded_movement
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from atelier_serving import StartError, TritonServer
from fakes.tiny_generator import LENGTH, MOVEMENTS, SIDE, publish_generator
from fakes.triton import COMPLETE, serving
from fakes.waiting import HANG_SECONDS, until

BATCH = 6
DATATYPES = {"seed": "INT64", "movement": "BYTES", "latent": "FP32"}

Ask = Callable[..., grpc.InferResult]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an export publishes.

    `generate_batched` has a network that paints six images at once and never fewer: requests share
    a batch there, provided that nothing keeps them apart.
    """
    path = tmp_path_factory.mktemp("served") / "repository"
    publish_generator(path)
    changes = {
        "generator": {
            'name: "generator"': 'name: "generator_batched"',
            "max_batch_size: 16": f"max_batch_size: {BATCH}",
            "dynamic_batching { }": f"dynamic_batching {{ preferred_batch_size: [ {BATCH} ]"
            f" max_queue_delay_microseconds: {HANG_SECONDS}000000 }}",
            # It would wait for others.
            "model_warmup [": None,
        },
        "generate": {
            'name: "generate"': 'name: "generate_batched"',
            'string_value: "generator"': 'string_value: "generator_batched"',
        },
    }
    for name, lines in changes.items():
        config = (path / name / "config.pbtxt").read_text()
        for old, new in lines.items():
            assert config.count(old) == 1
            config = config.partition(old)[0] if new is None else config.replace(old, new)
        copy = path / f"{name}_batched"
        copy.mkdir()
        (copy / "config.pbtxt").write_text(config)
        (copy / "1").symlink_to(path / name / "1")
    return path


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[TritonServer]:
    with serving(repository) as running:
        yield running


@pytest.fixture(scope="module")
def ask(server: TritonServer) -> Iterator[Ask]:
    """Sends a request: tensors by name, and other names as its parameters."""
    with grpc.InferenceServerClient(server.grpc_url) as client:

        def call(model: str = "generate", **options: object) -> grpc.InferResult:
            inputs = []
            for name in DATATYPES.keys() & options.keys():
                value = options.pop(name)
                value = np.array([value]) if name != "latent" else np.asarray(value, np.float32)
                value = value.astype(np.object_) if name == "movement" else value
                tensor = grpc.InferInput(name, list(value.shape), DATATYPES[name])
                inputs.append(tensor.set_data_from_numpy(value))
            return client.infer(
                model, inputs, parameters=options or None, client_timeout=HANG_SECONDS
            )

        yield call


@pytest.fixture(scope="module")
def generate(ask: Ask) -> Callable[..., list[bytes]]:
    """Sends a request for images; gives their files."""

    def call(**options: object) -> list[bytes]:
        answer = ask(**options)
        images, lengths = answer.as_numpy("images"), answer.as_numpy("lengths")
        assert lengths.shape == (len(images), 1)
        assert not any(row[length:].any() for row, length in zip(images, lengths.flat, strict=True))
        return [row[:length].tobytes() for row, length in zip(images, lengths.flat, strict=True)]

    return call


def refusal(ask: Ask, **options: object) -> str:
    with pytest.raises(InferenceServerException) as caught:
        ask(**options)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return caught.value.message()


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


def same(files: list[bytes], others: list[bytes]) -> bool:
    """Whether images are the same but for roundings, which may be others in another batch."""
    images, other_images = (
        np.stack([np.asarray(opened(file)).astype(int) for file in each])
        for each in (files, others)
    )
    return images.shape == other_images.shape and np.abs(images - other_images).max() <= 1


def test_a_seed_gives_the_same_images_again(ask, generate):
    images = generate(seed=5, movement="cubism", count=3)
    assert generate(seed=5, movement="cubism", count=3) == images
    others = images + generate(seed=6, movement="cubism", count=3)
    assert ask(seed=5).as_numpy("network_version").tolist() == [1]
    for number, image in enumerate(others):
        assert (opened(image).format, opened(image).size) == ("PNG", (SIDE, SIDE))
        assert not any(same([image], [other]) for other in others[number + 1 :])


def test_an_image_is_the_same_whatever_is_asked_for_beside_it(generate):
    every = generate(seed=5, movement="cubism", count=16)
    assert same(generate(seed=5, movement="cubism"), every[:1])
    assert same(generate(seed=5, movement="cubism", count="4", first="7"), every[7:11])
    for number in (1, 15):
        alone = generate(seed=5, movement="cubism", first=number)
        assert same(alone, every[number : number + 1])


def test_a_request_with_nothing_gives_an_image_that_is_new(generate):
    images = [generate() for _ in range(3)]
    assert all(len(each) == 1 for each in images)
    assert len({file for each in images for file in each}) == 3


def test_a_movement_may_be_written_in_many_ways(generate):
    expected = generate(seed=1, movement="ukiyo_e")
    for name in ("Ukiyo-e", " UKIYO E ", b"ukiyo_e"):
        assert generate(seed=1, movement=name) == expected
    assert generate(seed=1, movement="Naive Art") == generate(seed=1, movement="naive_art")
    assert len({generate(seed=1, movement=name)[0] for name in MOVEMENTS}) == 3


def test_without_a_movement_the_seed_draws_one_for_each_image(ask, generate):
    images = generate(seed=3, count=8)
    assert generate(seed=3, count=8, movement="") == images
    drawn = ask("latents", seed=3, count=8).as_numpy("movements")
    assert drawn.tolist() == [[seeded_movement(3, image, 3)] for image in range(8)]
    assert set(drawn.ravel()) == {0, 1, 2}
    for number, (movement,) in enumerate(drawn.tolist()):
        alone = generate(seed=3, first=number, movement=MOVEMENTS[movement])
        assert same(alone, images[number : number + 1])


@pytest.mark.parametrize("truncation", [0.5, "4", 4.0, 1e-6])
def test_the_truncation_reaches_the_latents(ask, truncation):
    drawn = ask("latents", seed=9, count=2, first=1, truncation=truncation).as_numpy("latents")
    expected = [seeded_latent(9, image, LENGTH, float(truncation)) for image in (1, 2)]
    assert drawn.tolist() == np.stack(expected).tolist()
    assert np.abs(drawn).max() <= float(truncation)


def test_the_truncation_of_the_configuration_is_1(ask, generate):
    drawn = ask("latents", seed=9).as_numpy("latents")
    assert (drawn == seeded_latent(9, 0, LENGTH, 1.0)).all()
    assert generate(seed=9) == generate(seed=9, truncation=1)
    assert generate(seed=9) != generate(seed=9, truncation=2)


def test_latents_of_ones_own_give_the_images_of_their_seed(ask, generate):
    latents = ask("latents", seed=5, count=4, truncation=2).as_numpy("latents")
    assert latents.dtype == np.float32
    images = generate(seed=5, movement="cubism", count=4, truncation=2)
    assert generate(latent=latents, movement="cubism") == images
    assert same(generate(latent=latents[2:3], movement="cubism"), images[2:3])
    assert not same(generate(latent=-latents, movement="cubism"), images)


@pytest.mark.parametrize("option", [{"format": "png"}, {"quality": 90}, {"bulk": True}])
def test_latents_are_drawn_without_options_of_images(ask, option):
    name = next(iter(option))
    assert refusal(ask, model="latents", **option) == (
        f"'{name}' is not an option of this model: leave it out; its options are count, first, "
        "truncation"
    )


@pytest.mark.parametrize(("name", "largest"), [("jpeg", 8), ("png", 0), ("webp", 16)])
def test_formats(generate, name, largest):
    exact = opened(generate(seed=2, movement="cubism")[0])
    images = generate(seed=2, movement="cubism", count=2, format=name, quality=100)
    for image in images:
        assert (opened(image).format, opened(image).mode) == (name.upper(), "RGB")
    difference = np.asarray(opened(images[0]).convert("RGB")).astype(int) - np.asarray(exact)
    assert np.abs(difference).mean() <= largest


def test_the_quality_reaches_the_encoder(generate):
    small, large = (
        generate(seed=2, movement="cubism", format="jpeg", quality=quality) for quality in (1, 100)
    )
    assert len(small[0]) < len(large[0])


def test_requests_of_different_counts_share_a_batch(server, generate):
    asked = [
        {"seed": 1, "movement": "cubism", "count": 1},
        {"seed": 2, "movement": "ukiyo_e", "count": 2, "quality": 3},
        {"seed": 3, "count": 3, "first": 4, "truncation": 0.5},
    ]
    alone = [generate(**options) for options in asked]

    def executions() -> tuple[int, int]:
        with grpc.InferenceServerClient(server.grpc_url) as client:
            (statistics,) = client.get_inference_statistics("generator_batched").model_stats
            return statistics.inference_count, statistics.execution_count

    with ThreadPoolExecutor(len(asked)) as senders:
        together = list(senders.map(lambda each: generate(model="generate_batched", **each), asked))
    assert all(map(same, together, alone))
    # Triton counts a batch just after its answers have left.
    until(lambda: executions() == (BATCH, 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"count": 0},
            "count 0 is not possible: use a whole number from 1 to 16; more are several",
        ),
        ({"count": "17"}, "count '17' is not possible"),
        ({"count": 2.5}, "count 2.5 is not possible"),
        ({"first": -1}, "first -1 is not possible: use a whole number from 0 to"),
        ({"truncation": 0}, "truncation 0 is not possible: use a number above 0"),
        ({"truncation": 4.5}, "truncation 4.5 is not possible"),
        ({"truncation": "wide"}, "truncation 'wide' is not possible"),
        ({"format": "gif"}, "format 'gif' cannot be written: use jpeg, png or webp"),
        ({"quality": 101}, "quality 101 is not possible: use a whole number from 1 to 100"),
        ({"strength": 1}, "'strength' is not an option of this model: leave it out"),
        ({"bulk": 2}, "bulk 2 is not possible: use true or false"),
        ({"network_version": 9}, "network_version 9 is not served: leave it out"),
        ({"seed": -1}, "seed -1 is not possible: use a whole number from 0 to"),
        ({"movement": "cubisn"}, "unknown movement 'cubisn'; did you mean cubism? Known movements"),
        ({"movement": b"\xff"}, "the movement b'\\xff' is not UTF-8: send one of cubism, naive_"),
        ({"latent": np.zeros((2, 5))}, "latent has 5 values for each image: send 6"),
        ({"latent": np.zeros((0, 6))}, "latent has 0 latents: send 1 to 16"),
        ({"latent": np.zeros((17, 6))}, "latent has 17 latents: send 1 to 16"),
        ({"latent": [[0] * 6, [0, np.nan] * 3]}, "value 1 of latent 1, both from 0, is nan: send"),
        ({"latent": [[0, 0, 0, -np.inf, 0, 0]]}, "value 3 of latent 0, both from 0, is -inf: send"),
        ({"latent": np.zeros((1, 6)), "seed": 0}, "seed cannot go with latent"),
        ({"latent": np.zeros((1, 6)), "count": 1}, "count cannot go with latent"),
        ({"latent": np.zeros((1, 6)), "truncation": 1}, "truncation cannot go with latent"),
        (
            {"latent": np.zeros((1, 6)), "movement": ""},
            "latents of one's own need a movement: send",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_and_harms_no_other(ask, generate, options, words):
    good = {"seed": 5, "movement": "cubism", "count": 2}
    expected = generate(**good)
    if "latent" in options:
        options = {"movement": "cubism", **options}
    with ThreadPoolExecutor(4) as senders:
        others = [senders.submit(generate, **good) for _ in range(2)]
        message = refusal(ask, **options)
        others += [senders.submit(generate, **good) for _ in range(2)]
        assert all(same(other.result(), expected) for other in others)
    assert message.startswith(words)
    if options.keys() <= {*DATATYPES, "count", "first", "truncation"}:
        assert refusal(ask, model="latents", **options) == message


@pytest.mark.parametrize("model", ["latents", "generate"])
def test_an_unusable_configuration_fails_the_load_and_says_why(repository, tmp_path, model):
    config = shutil.copytree(repository / model, tmp_path / model) / "config.pbtxt"
    assert config.read_text().count('"1.0"') == 1
    config.write_text(config.read_text().replace('"1.0"', '"5"'))
    log: list[str] = []
    with pytest.raises(StartError):
        TritonServer(tmp_path, options=[COMPLETE], log=log.append).start()
    words = "parameter 'truncation' in config.pbtxt must be a number above 0 up to 4, not '5'"
    assert words in "\n".join(log)


def test_a_tensor_of_another_shape_is_refused(server):
    with grpc.InferenceServerClient(server.grpc_url) as client:
        seeds = grpc.InferInput("seed", [2], "INT64").set_data_from_numpy(np.arange(2))
        with pytest.raises(InferenceServerException, match=re.escape("unexpected shape")) as caught:
            client.infer("generate", [seeds])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
