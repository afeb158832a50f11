"""`atelier.testing`: both clients without a server."""

import asyncio
import io
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from atelier import AsyncClient, Client, InvalidRequest, Overloaded
from atelier.testing import MockTransport, StatusError

REPOSITORY = Path(__file__).parents[2] / "model_repository"


@pytest.fixture(params=["sync", "async"])
def ask(request):
    """Calls a method of either client through a transport."""

    async def ask_async(transport, method, *arguments, **options):
        async with AsyncClient(transport=transport) as art:
            return await getattr(art, method)(*arguments, **options)

    def ask_sync(transport, method, *arguments, **options):
        with Client(transport=transport) as art:
            return getattr(art, method)(*arguments, **options)

    if request.param == "sync":
        return ask_sync
    return lambda *arguments, **options: asyncio.run(ask_async(*arguments, **options))


def png(shade):
    file = io.BytesIO()
    Image.new("RGB", (32, 24), shade).save(file, "png")
    return file.getvalue()


def config(model):
    return (REPOSITORY / model / "config.pbtxt").read_text()


def test_an_image_goes_in_and_another_comes_out(ask):
    transport = MockTransport(lambda _: {"stylized": [png("red")]})
    painting = ask(transport, "stylize", png("blue"), "udnie:2")
    assert painting.getpixel((0, 0)) == (255, 0, 0)
    (request,) = transport.requests
    assert (request.model, request.version) == ("stylize", "")
    assert request.inputs == {"image": [png("blue")], "style": [b"udnie:2"]}
    assert request.parameters == {"format": "png"}


def test_tensors_go_through_the_configured_models(ask):
    def answer(request):
        if request.model == "vae_encoder":
            mean = request.inputs["image"].reshape(1, -1)[:, :1024].astype(np.float32)
            return {"mean": mean, "log_variance": np.zeros_like(mean)}
        return {"image": np.full((1, 128, 128, 3), request.inputs["latent"][0, 0], np.uint8)}

    transport = MockTransport(answer, [config("vae_encoder"), config("vae_decoder")])
    assert ask(transport, "reconstruct", png((77, 0, 0))).getpixel((5, 5)) == (77, 77, 77)
    assert [request.model for request in transport.requests] == ["vae_encoder", "vae_decoder"]


def test_the_configuration_names_the_styles(ask):
    transport = MockTransport(lambda _: {}, [config("style")])
    assert "great_wave" in ask(transport, "styles")
    ask(transport, "wait_ready")
    assert ask(transport, "statistics") == {}


def test_images_are_generated(ask):
    def answer(request):
        assert request.inputs["movement"] == [b"ukiyo_e"]
        file, count = png("red"), request.parameters["count"]
        images = np.tile(np.frombuffer(file, np.uint8), (count, 1))
        return {"images": images, "lengths": np.full((count, 1), len(file), np.int32)}

    transport = MockTransport(answer, [config("generate")])
    images = ask(transport, "generate", 20, movement="ukiyo_e")
    assert [image.size for image in images] == [(32, 24)] * 20
    assert [request.parameters["first"] for request in transport.requests] == [0, 16]


def test_a_configuration_that_is_missing_is_named(ask):
    with pytest.raises(InvalidRequest, match="'style' is unknown; give its configuration to Mock"):
        ask(MockTransport(lambda _: {}), "styles")


def test_a_refusal_is_retried_and_reported_as_a_servers(ask, clock):
    def refuse(_request):
        raise StatusError(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")

    transport = MockTransport(refuse)
    with pytest.raises(Overloaded, match="has too much to do"):
        ask(transport, "classify", png("blue"))
    assert len(transport.requests) == len(clock.pauses) + 1
    # Again and again, as long as the timeout of 30 s has room for a pause of up to 2 s and for an
    # attempt that takes as long.
    assert 26 < sum(clock.pauses) < 30
