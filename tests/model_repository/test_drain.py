"""A server that is stopped while requests are on their way through the steps."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tritonclient import grpc

from atelier_serving import TritonServer
from fakes.triton import COMPLETE
from fakes.waiting import until

REQUESTS = 8


def test_a_stopped_server_finishes_what_it_accepted(gated, waiting, connect, encoded):
    # Sizes of their own, so that no two pictures share a batch and none can pass for another.
    shapes = [(60 + number, 80, 3) for number in range(REQUESTS)]
    pictures = [np.random.default_rng(0).integers(0, 256, shape, np.uint8) for shape in shapes]
    files = [encoded(Image.fromarray(picture), "PNG") for picture in pictures]
    with (
        TritonServer(gated, options=[COMPLETE]) as server,
        connect(server.grpc_url) as stylize,
        ThreadPoolExecutor(REQUESTS) as senders,
    ):
        answers = [senders.submit(stylize, file) for file in files]
        with grpc.InferenceServerClient(server.grpc_url) as client:
            # The network has one of them.
            until(lambda: waiting(server) >= REQUESTS - 1)
            server.terminate()
            until(lambda: not client.is_model_ready("stylize"))
        assert not any(answer.done() for answer in answers)
        (gated / "style" / "1" / "open").touch()
        server.stop()
        assert all(answer.done() for answer in answers)
    for picture, answer in zip(pictures, answers, strict=True):
        with Image.open(io.BytesIO(answer.result())) as result:
            np.testing.assert_array_equal(np.asarray(result), 255 - picture)
