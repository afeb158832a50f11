"""A server that works at one request at a time, for a known time, and may stand still."""

import asyncio

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

from atelier._loadtest.workload import Sample, Workload
from atelier._transport import Request
from atelier.testing import MockTransport, StatusError

CONFIG = """
name: "vae_decoder" max_batch_size: 16
input [{ name: "latent" data_type: TYPE_FP32 dims: [8] }]
"""


def one_sample() -> Workload:
    """The same small request each time."""
    body = service_pb2.ModelInferRequest(model_name="vae_decoder").SerializeToString()
    return Workload([Sample("vae_decoder", body, 100)], np.zeros(1, np.int32))


class OneWorker(MockTransport):
    """Answers in the order of arrival; its time is that of the loop that runs.

    Args:
        service: Seconds of work for each request.
        stall: From when to when, in seconds of the loop, nothing is begun or ended.
        dies: The moment from which on nobody listens any more.
    """

    def __init__(
        self,
        service: float,
        stall: tuple[float, float] = (0, 0),
        dies: float = float("inf"),
    ) -> None:
        super().__init__(lambda request: {}, [CONFIG])
        self.service, self.stall, self.dies = service, stall, dies
        self._turn = asyncio.Lock()

    async def send_async(self, request: Request, timeout: float | None) -> bytes:
        loop = asyncio.get_running_loop()
        async with self._turn:
            if loop.time() >= self.dies:
                raise StatusError(grpc.StatusCode.UNAVAILABLE, "Connection refused")
            start, end = self.stall
            work = self.service
            if start < loop.time() + work and loop.time() < end:
                work += end - max(start, loop.time())
            await asyncio.sleep(work)
        return self.send(request, timeout)
