"""Both clients encode and decode with the scripted server's autoencoder."""

import asyncio
import io
import threading
from collections.abc import Callable

import grpc
import numpy as np
import pytest
from PIL import Image

from atelier import (
    AsyncClient,
    DeadlineExceeded,
    InvalidRequest,
    Posterior,
    ServerFailed,
    Unreachable,
    _autoencoder,
)
from fakes.autoencoder import (
    DEVIATION,
    LENGTH,
    SIDE,
    Autoencoder,
    decoded,
    encoded,
    tensors_answer,
)
from fakes.waiting import HANG_SECONDS

DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")
COLOURS = np.array([[[200, 10, 30], [0, 255, 90]], [[60, 60, 60], [20, 120, 220]]], dtype=np.uint8)
LATENT = np.linspace(0, 1, LENGTH, dtype=np.float32)


@pytest.fixture
def scripted(server):
    """The scripted server with an autoencoder."""
    server.autoencoder = Autoencoder()
    return server


def quarters(width: int = 64, height: int = 40) -> np.ndarray:
    """An image of four colours, which a latent holds wholly."""
    return COLOURS.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def latents_of(server) -> np.ndarray:
    """The latents of all requests to the decoder, in their order."""
    raw = [r.raw_input_contents[0] for r in server.requests if r.model_name == "vae_decoder"]
    return np.frombuffer(b"".join(raw), "<f4").reshape(-1, LENGTH)


def batches(server, model: str) -> list[int]:
    return [r.inputs[0].shape[0] for r in server.requests if r.model_name == model]


def test_the_posterior_of_an_image(scripted, ask):
    posterior = ask(scripted.url, "encode", quarters())
    assert isinstance(posterior, Posterior)
    assert posterior.mean.dtype == posterior.log_variance.dtype == np.float32
    np.testing.assert_allclose(posterior.mean, COLOURS.ravel() / 255, atol=0.02)
    np.testing.assert_allclose(np.exp(posterior.log_variance / 2), DEVIATION, rtol=1e-5)
    assert posterior.version == "1"
    assert scripted.configs == ["vae_encoder"]
    assert list(scripted.requests[-1].inputs[0].shape) == [1, SIDE, SIDE, 3]


def test_every_kind_of_image_is_the_same_square(scripted, ask, tmp_path):
    pixels = quarters()
    image = Image.fromarray(pixels)
    path = tmp_path / "image.png"
    image.save(path)
    other = io.BytesIO()
    image.save(other, "TIFF")
    clear = Image.merge("RGBA", (*image.split(), Image.new("L", image.size, 255)))
    for source in (pixels, image, path, str(path), path.read_bytes(), other.getvalue(), clear):
        ask(scripted.url, "encode", source)
    assert len({request.raw_input_contents[0] for request in scripted.requests}) == 1


def test_an_image_is_upright_and_transparency_is_white(scripted, ask):
    turned = Image.fromarray(quarters()).transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=turned.getexif())
    posterior = ask(scripted.url, "encode", buffer.getvalue())
    np.testing.assert_allclose(posterior.mean, COLOURS.ravel() / 255, atol=0.02)
    clear = np.zeros((40, 64, 4), np.uint8)
    np.testing.assert_array_equal(ask(scripted.url, "encode", clear).mean, 1)


def test_a_latent_becomes_an_image(scripted, ask):
    image = ask(scripted.url, "decode", LATENT)
    assert (image.mode, image.size) == ("RGB", (SIDE, SIDE))
    np.testing.assert_array_equal(np.asarray(image), decoded(LATENT[None])[0])
    for same in (LATENT.tolist(), LATENT.astype(np.float64), Posterior(LATENT, LATENT, "1")):
        assert ask(scripted.url, "decode", same).tobytes() == image.tobytes()
    assert ask(scripted.url, "decode", [1] * LENGTH).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("latent", "reason"),
    [
        (np.zeros(LENGTH + 1), "latent has 13 numbers; vae_decoder takes 12"),
        ([], "latent has 0 numbers; vae_decoder takes 12"),
        (np.zeros((1, LENGTH)), r"latent has the shape \(1, 12\); give one latent"),
        (0.5, r"latent has the shape \(\); give one latent"),
        ([*[0.0] * 7, np.nan, *[0.0] * 4], "latent: element 7 is nan; give finite numbers"),
        ([0.0, -np.inf], "latent: element 1 is -inf; give finite numbers"),
        ([0.0, 1e300], r"latent: element 1 is 1e\+300; give finite numbers that 32 bits can hold"),
        (["a", "b"], "latent: its elements are <U1; give numbers"),
        ([0.0, None], "latent: its elements are object; give numbers"),
        (None, "latent: its elements are object; give numbers"),
        ([True, False], "latent: its elements are bool; give numbers"),
        ([1j], "latent: its elements are complex128; give numbers"),
        ([[1, 2], [3]], "latent: it is no array; give one latent, in one dimension"),
    ],
)
def test_what_is_no_latent(scripted, ask, latent, reason):
    with pytest.raises(InvalidRequest, match=reason):
        ask(scripted.url, "decode", latent)
    assert not scripted.requests


@pytest.mark.parametrize("method", ["encode", "reconstruct", "denoise", "vary", "wander"])
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((40, 15, 3), np.uint8), "image: 15×40 pixels; each side needs at least 16"),
        (b"no image", "image: not an image in a known format"),
        (b"", "image: there are no bytes in it"),
        (np.zeros((40, 40)), "image: the array is float64; give uint8"),
        (Image.new("F", (40, 40)), "image: mode F has no fixed range"),
    ],
)
def test_images_that_are_refused(scripted, ask, method, image, reason):
    with pytest.raises(InvalidRequest, match=reason):
        ask(scripted.url, method, image)
    assert not scripted.requests
    assert not scripted.configs


def test_both_ends_of_a_morph_are_named(scripted, ask):
    with pytest.raises(InvalidRequest, match="second: not an image in a known format"):
        ask(scripted.url, "interpolate", quarters(), b"no image")
    with pytest.raises(TypeError, match="first is a int; give a path"):
        ask(scripted.url, "interpolate", 3, quarters())


@pytest.mark.parametrize("method", ["reconstruct", "denoise"])
def test_an_image_there_and_back(scripted, ask, method):
    image = ask(scripted.url, method, quarters())
    assert (image.mode, image.size) == ("RGB", (SIDE, SIDE))
    difference = np.asarray(image).astype(int) - quarters(SIDE, SIDE)
    assert np.abs(difference).max() <= 3
    assert scripted.configs == ["vae_encoder", "vae_decoder"]


def test_a_morph_is_a_line_with_both_ends(scripted, ask):
    black, white = np.zeros((20, 20, 3), np.uint8), np.full((30, 30, 3), 255, np.uint8)
    images = ask(scripted.url, "interpolate", black, white, frames=6)
    levels = [image.getpixel((3, 3))[0] for image in images]
    assert levels == [0, 51, 102, 153, 204, 255]
    assert len(ask(scripted.url, "interpolate", black, white)) == 24
    assert len(ask(scripted.url, "interpolate", black, white, frames=2)) == 2


@pytest.mark.parametrize(("most", "expected"), [(1, [1] * 7), (3, [3, 3, 1]), (16, [7])])
def test_a_request_has_as_many_latents_as_the_model_takes(scripted, ask, most, expected):
    scripted.autoencoder.max_batch_size = most
    images = ask(scripted.url, "interpolate", quarters(), quarters()[::-1].copy(), frames=7)
    assert len(images) == 7
    assert batches(scripted, "vae_decoder") == expected
    assert batches(scripted, "vae_encoder") == ([1, 1] if most == 1 else [2])
    assert scripted.configs == ["vae_encoder", "vae_decoder"]


def test_variants_are_samples_of_the_posterior(scripted, ask):
    images = ask(scripted.url, "vary", quarters(), count=400, strength=1, seed=3)
    assert len(images) == 400
    latents = latents_of(scripted)
    posterior = ask(scripted.url, "encode", quarters())
    np.testing.assert_allclose(latents.mean(axis=0), posterior.mean, atol=5 * DEVIATION / 20)
    np.testing.assert_allclose(latents.std(axis=0), DEVIATION, rtol=0.2)
    np.testing.assert_array_equal(latents[0], posterior.sample(3))


def test_the_seed_and_the_strength_of_variants(scripted, ask):
    def vary(**options) -> np.ndarray:
        scripted.requests.clear()
        ask(scripted.url, "vary", quarters(), **options)
        return latents_of(scripted)

    mean = encoded(quarters(SIDE, SIDE)[None])[0]
    four = vary()
    assert len(np.unique(four, axis=0)) == 4
    np.testing.assert_array_equal(vary(count=9)[:4], four)
    assert not np.isclose(vary(seed=1), four).any()
    np.testing.assert_allclose(vary(strength=8) - mean, 2 * (four - mean), atol=0.02)
    assert len(np.unique(vary(strength=0), axis=0)) == 1


def test_a_walk_is_a_circle_that_ends_where_it_began(scripted, ask):
    images = ask(scripted.url, "wander", quarters(), frames=13, strength=0.5, seed=5)
    latents = latents_of(scripted)
    posterior = ask(scripted.url, "encode", quarters())
    np.testing.assert_array_equal(latents[0], posterior.mean)
    np.testing.assert_array_equal(latents[-1], posterior.mean)
    assert images[0].tobytes() == images[-1].tobytes() != images[6].tobytes()
    # Opposite points of an ellipse have one centre.
    centres = (latents[:6] + latents[6:12]) / 2
    np.testing.assert_allclose(centres, centres[:1].repeat(6, axis=0), atol=1e-5)
    across = latents[6] - latents[0]
    assert np.std(across / 2) == pytest.approx(0.5 * DEVIATION, rel=0.6)


@pytest.mark.parametrize(
    ("method", "arguments", "reason"),
    [
        ("interpolate", {"frames": 1}, "frames 1 is not possible: give 2 to 10000"),
        ("interpolate", {"frames": 10**20}, "is not possible: give 2 to 10000"),
        ("wander", {"frames": 2}, "frames 2 is not possible: give 3 to 10000"),
        ("vary", {"count": 0}, "count 0 is not possible: give 1 to 10000"),
        ("vary", {"strength": -0.1}, "strength -0.1 is not possible: give 0 to 100"),
        ("vary", {"strength": float("nan")}, "strength nan is not possible: give 0 to 100"),
        ("wander", {"strength": 10**400}, "strength inf is not possible: give 0 to 100"),
        ("wander", {"seed": -1}, "seed -1 is not possible: give 0 or more"),
    ],
)
def test_numbers_out_of_range(scripted, ask, method, arguments, reason):
    images = [quarters()] * (2 if method == "interpolate" else 1)
    with pytest.raises(InvalidRequest, match=reason):
        ask(scripted.url, method, *images, **arguments)
    assert not scripted.configs


@pytest.mark.parametrize(
    "arguments", [{"count": 2.0}, {"count": "2"}, {"strength": "1"}, {"seed": None}]
)
def test_what_is_no_number(scripted, ask, arguments):
    (name,) = arguments
    with pytest.raises(TypeError, match=f"{name} is a .*; give a"):
        ask(scripted.url, "vary", quarters(), **arguments)


def test_a_sample_is_the_mean_and_scaled_noise():
    posterior = Posterior(np.full(5000, 3, np.float32), np.full(5000, -2, np.float32), "1")
    sample = posterior.sample(seed=0)
    assert sample.dtype == np.float32
    assert sample.mean() == pytest.approx(3, abs=0.03)
    assert sample.std() == pytest.approx(np.exp(-1), rel=0.05)
    np.testing.assert_array_equal(posterior.sample(seed=0), sample)
    assert not np.array_equal(posterior.sample(seed=1), sample)
    np.testing.assert_array_equal(posterior.sample(0, strength=0), posterior.mean)
    with pytest.raises(InvalidRequest, match="strength 101"):
        posterior.sample(0, 101)
    with pytest.raises(InvalidRequest, match="seed -1"):
        posterior.sample(-1)


def test_a_latent_goes_to_the_version_that_made_it(scripted, ask):
    scripted.autoencoder.version = "7"
    posterior = ask(scripted.url, "encode", quarters())
    assert posterior.version == "7"
    for method in ("reconstruct", "denoise", "vary", "wander"):
        ask(scripted.url, method, quarters())
        assert scripted.requests[-1].model_version == "7"
    ask(scripted.url, "interpolate", quarters(), quarters())
    assert scripted.requests[-1].model_version == "7"
    ask(scripted.url, "fill", quarters(), np.eye(40, 64, dtype=bool))
    assert scripted.requests[-1].model_version == "7"
    ask(scripted.url, "decode", posterior.mean)
    assert scripted.requests[-1].model_version == ""
    ask(scripted.url, "decode", posterior.mean, version="7")
    assert scripted.requests[-1].model_version == "7"
    scripted.autoencoder.version = "8"
    with pytest.raises(InvalidRequest, match="'vae_decoder' version 7 is not found"):
        ask(scripted.url, "decode", posterior)


def test_a_version_that_was_replaced(scripted, ask):
    scripted.script = [
        (grpc.StatusCode.UNAVAILABLE, "'vae_decoder' version 1 is not at ready state")
    ]
    with pytest.raises(InvalidRequest, match="version 1 is not at ready state"):
        ask(scripted.url, "decode", LATENT, version="1")
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("method", "arguments", "model"),
    [
        ("encode", [quarters()], "vae_encoder"),
        ("decode", [LATENT], "vae_decoder"),
        ("fill", [quarters(), np.eye(40, 64, dtype=bool)], "vae_encoder"),
        ("interpolate", [quarters(), quarters()], "vae_encoder"),
    ],
)
def test_a_server_without_an_autoencoder_says_so(server, ask, method, arguments, model):
    with pytest.raises(InvalidRequest, match=f"unknown model: '{model}'") as caught:
        ask(server.url, method, *arguments)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("setting", [{"max_batch_size": 0}, {"side": 0}])
def test_a_model_that_is_no_autoencoders(server, ask, setting):
    server.autoencoder = Autoencoder(**setting)
    with pytest.raises(ServerFailed, match=r"expected a batch of 'image' \[N, N, 3\] and 'latent'"):
        ask(server.url, "decode", LATENT)


MEAN = ("FP32", np.zeros((1, LENGTH), "<f4"))


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"mean": MEAN},
        {"mean": MEAN, "log_variance": ("FP32", np.zeros((2, LENGTH), "<f4"))},
        {"mean": MEAN, "log_variance": ("FP32", np.zeros((LENGTH, 1), "<f4"))},
        {"mean": MEAN, "log_variance": ("INT32", np.zeros((1, LENGTH), "<i4"))},
        {"mean": MEAN, "log_variance": ("FP64", np.zeros((1, LENGTH), "<f8"))},
    ],
)
def test_answers_that_are_not_whole(scripted, ask, outputs):
    scripted.script = [tensors_answer("vae_encoder", outputs)]
    with pytest.raises(ServerFailed, match=r"vae_encoder answered without a whole .* FP32 \[1, 12"):
        ask(scripted.url, "encode", quarters())


def test_answers_that_are_cut_off(scripted, ask):
    answer = tensors_answer("vae_encoder", {"mean": MEAN, "log_variance": MEAN})
    answer.raw_output_contents[1] = answer.raw_output_contents[1][:-1]
    scripted.script = [answer]
    with pytest.raises(ServerFailed, match="without a whole 'log_variance'"):
        ask(scripted.url, "encode", quarters())


def test_an_encoder_without_a_number(scripted, ask):
    nan = ("FP32", np.full((1, LENGTH), np.nan, "<f4"))
    scripted.script = [tensors_answer("vae_encoder", {"mean": nan, "log_variance": MEAN})]
    with pytest.raises(ServerFailed, match="vae_encoder answered numbers that are not finite"):
        ask(scripted.url, "encode", quarters())


def test_one_timeout_for_all_requests(scripted, ask, clock):
    clock.meanwhile = lambda: None
    # The server's own waiting does not move the clients' clock; the pause after a failure does.
    scripted.script = [DRAINING, None, DRAINING, None]
    ask(scripted.url, "interpolate", quarters(), quarters(), timeout=50)
    left = [request.parameters["timeout"].int64_param / 1e6 for request in scripted.requests]
    first, second = clock.pauses
    expected = [50, 50 - first, 50 - first, *[50 - first - second] * 8]
    assert left == pytest.approx(expected, abs=1e-5)


def test_one_number_of_retries_for_all_requests(scripted, ask, clock):
    scripted.script = [DRAINING, None, DRAINING]
    with pytest.raises(Unreachable, match="Server is stopping"):
        ask(scripted.url, "reconstruct", quarters(), client={"retries": 1})
    assert len(scripted.requests) == 3
    scripted.script = [DRAINING, None, DRAINING]
    ask(scripted.url, "reconstruct", quarters(), client={"retries": 2})


def test_the_time_passes_in_a_later_request(scripted, ask):
    scripted.script = [None]
    held = scripted.hold()
    with pytest.raises(DeadlineExceeded, match="within the timeout of"):
        ask(scripted.url, "reconstruct", quarters(), timeout=0.5)
    held.set()


async def test_the_loop_stays_free(scripted, monkeypatch):
    threads: dict[str, int] = {}

    def watched(name: str, work: Callable) -> Callable:
        def run(*arguments, **options):
            threads[name] = threading.get_ident()
            return work(*arguments, **options)

        return run

    for name in ("load_image", "fitted", "encoding", "checked_latent"):
        monkeypatch.setattr(_autoencoder, name, watched(name, getattr(_autoencoder, name)))
    async with AsyncClient(scripted.url) as art:
        await art.reconstruct(quarters())
    assert len(threads) == 4
    assert threading.get_ident() not in threads.values()


async def test_a_conversation_has_one_place_among_the_calls(scripted):
    held = scripted.hold()
    async with AsyncClient(scripted.url, max_in_flight=1) as art:
        first = asyncio.create_task(art.reconstruct(quarters()))
        await asyncio.to_thread(scripted.wait_for, lambda: scripted.requests)
        second = asyncio.create_task(art.decode(LATENT))
        held.set()
        await asyncio.gather(first, second)
    asked = [request.model_name for request in scripted.requests]
    assert asked == ["vae_encoder", "vae_decoder", "vae_decoder"]
    assert scripted.requests[1].model_version == "1"


async def test_a_cancelled_conversation_ends(scripted):
    scripted.hold()
    async with AsyncClient(scripted.url, max_in_flight=1) as art:
        call = asyncio.create_task(art.reconstruct(quarters()))
        await asyncio.to_thread(scripted.wait_for, lambda: scripted.requests)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await art.decode(LATENT)
    assert [r.model_name for r in scripted.requests] == ["vae_encoder", "vae_decoder"]


async def test_closing_ends_a_conversation(scripted):
    scripted.hold()
    art = AsyncClient(scripted.url, timeout=HANG_SECONDS)
    call = asyncio.create_task(art.reconstruct(quarters()))
    await asyncio.to_thread(scripted.wait_for, lambda: scripted.requests)
    await art.close()
    with pytest.raises(Unreachable):
        await call
    assert len(scripted.requests) == 1
