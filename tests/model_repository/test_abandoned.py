"""Requests whose callers do not wait any longer."""

from pathlib import Path

import numpy as np
from tritonclient import grpc

from fakes.triton import serving
from fakes.waiting import HANG_SECONDS, until

REQUESTS = 12
IN_WORK = 3
"""As many as `stylize` has instances."""


def test_only_what_somebody_waits_for_is_painted(gated, waiting, encoded, photo):
    answers = []
    with (
        serving(gated) as server,
        grpc.InferenceServerClient(server.grpc_url) as client,
    ):
        inputs = [grpc.InferInput(name, [1, 1], "BYTES") for name in ("image", "style")]
        for tensor, value in zip(inputs, (encoded(photo, "PNG"), b"great_wave"), strict=True):
            tensor.set_data_from_numpy(np.array([[value]], object))

        def ask():
            return client.async_infer(
                "stylize",
                inputs,
                callback=lambda result, error: answers.append(error),
                client_timeout=HANG_SECONDS,
            )

        calls = [ask() for _ in range(REQUESTS)]
        until(lambda: waiting(server) >= REQUESTS - IN_WORK)
        for call in calls:
            call.cancel()
        until(lambda: len(answers) == REQUESTS)
        assert all(answers)
        (Path(gated) / "style" / "1" / "open").touch()
        answers.clear()
        ask()
        until(lambda: answers)
        assert answers == [None]
        (statistics,) = client.get_inference_statistics("style").model_stats
        assert statistics.inference_stats.success.count <= IN_WORK + 1
