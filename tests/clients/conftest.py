"""A real gRPC server in the test process that answers by script, and both clients to ask it."""

import asyncio
import io
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest
from PIL import Image
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc

from atelier import AsyncClient, Client, _client, _retry_budget, _retry_policy
from fakes.autoencoder import MODELS as AUTOENCODER_MODELS
from fakes.autoencoder import Autoencoder
from fakes.generator import MODELS as GENERATOR_MODELS
from fakes.generator import Generator, RefusedError
from fakes.waiting import HANG_SECONDS

COUNTED = ("stylize", "style")


class ScriptedServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Does with each inference what the next entry of `script` says; without one, it answers.

    An entry is a status with a message, an event to wait for before the answer, the answer itself,
    or None for the usual one.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.seconds_left: list[float] = []
        self.configs: list[str] = []
        # The headers `x-request-id`.
        self.ids: list[str] = []
        self.script: list[
            tuple[grpc.StatusCode, str] | threading.Event | messages.ModelInferResponse | None
        ] = []
        self.style_names: str | None = "great_wave,udnie"
        # What `classify` answers for each output; without, it is not served.
        self.classes: dict[str, list[bytes]] = {}
        # What answers for `vae_encoder` and `vae_decoder`; without, they are not served.
        self.autoencoder: Autoencoder | None = None
        # What answers for `latents` and `generate`; without, they are not served.
        self.generator: Generator | None = None
        self.ready = [True]
        self.models = ["stylize", "style"]
        self.live = True
        # Whether every model did load, each time that somebody asks; the last stays.
        self.whole = [True]
        self.versions = ["1"]
        self.probes = 0
        self.working = 0
        self.most_working = 0
        self.counts: Counter[str] = Counter()
        self.url = ""
        self._changed = threading.Condition()
        self._held: list[threading.Event] = []

    @property
    def inputs(self) -> dict[str, bytes]:
        """The inputs of the last request."""
        request = self.requests[-1]
        names = [tensor.name for tensor in request.inputs]
        return dict(zip(names, [raw[4:] for raw in request.raw_input_contents], strict=True))

    def hold(self) -> threading.Event:
        """Has one more inference work until the event is set, or the test ends."""
        event = threading.Event()
        self._held.append(event)
        self.script.append(event)
        return event

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Waits until what inferences have changed is as asked."""
        with self._changed:
            assert self._changed.wait_for(happened, HANG_SECONDS)

    def end(self) -> None:
        """Lets go of what is still held, so that the next test has the server for itself."""
        for event in self._held:
            event.set()
        self.wait_for(lambda: self.working == 0)

    def ModelInfer(self, request, context):  # noqa: N802
        self._note_id(context)
        if request.model_name == "classify" and not self.classes:
            unknown = "Request for unknown model: 'classify' is not found"
            context.abort(grpc.StatusCode.NOT_FOUND, unknown)
        self._check_autoencoder(request.model_name, request.model_version, context)
        self._check_generator(request.model_name, context)
        with self._changed:
            self.requests.append(request)
            self.seconds_left.append(context.time_remaining())
            step = self.script.pop(0) if self.script else None
            self._changed.notify_all()
        if isinstance(step, tuple):
            context.abort(*step)
        if isinstance(step, messages.ModelInferResponse):
            return step
        if request.model_name == "classify":
            return classes_answer(self.classes)
        self._work(1)
        if step:
            step.wait(HANG_SECONDS)
        self._work(-1)
        if self.autoencoder and request.model_name in AUTOENCODER_MODELS:
            return self.autoencoder.answer(request)
        if self.generator and request.model_name in GENERATOR_MODELS:
            try:
                return self.generator.answer(request)
            except RefusedError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        self.counts.update(COUNTED)
        # Looking a parameter up would make it.
        named = "format" in request.parameters
        encoding = request.parameters["format"].string_param if named else "jpeg"
        return answer_with(picture_file(encoding))

    def _work(self, more: int) -> None:
        with self._changed:
            self.working += more
            self.most_working = max(self.working, self.most_working)
            self._changed.notify_all()

    def _check_autoencoder(self, model, version, context):
        if model in AUTOENCODER_MODELS and not (self.autoencoder and self.autoencoder.has(version)):
            named = f"{model!r} version {version}" if version else repr(model)
            unknown = f"Request for unknown model: {named} is not found"
            context.abort(grpc.StatusCode.NOT_FOUND, unknown)

    def _check_generator(self, model, context):
        if model in GENERATOR_MODELS and self.generator is None:
            unknown = f"Request for unknown model: {model!r} is not found"
            context.abort(grpc.StatusCode.NOT_FOUND, unknown)

    def _note_id(self, context):
        self.ids.append(dict(context.invocation_metadata())["x-request-id"])

    def ModelConfig(self, request, context):  # noqa: N802
        self._note_id(context)
        self._check_autoencoder(request.name, request.version, context)
        self._check_generator(request.name, context)
        self.configs.append(request.name)
        response = messages.ModelConfigResponse()
        response.config.name = request.name
        if self.autoencoder and request.name in AUTOENCODER_MODELS:
            self.autoencoder.describe(response.config)
            return response
        if self.generator and request.name in GENERATOR_MODELS:
            self.generator.describe(response.config)
            return response
        if request.name == "stylize":
            response.config.parameters["calls"].string_value = "style"
        elif self.style_names is not None:
            response.config.parameters["styles"].string_value = self.style_names
        return response

    def ModelMetadata(self, request, context):  # noqa: N802
        return messages.ModelMetadataResponse(name=request.name, versions=self.versions)

    def ModelStatistics(self, request, context):  # noqa: N802
        response = messages.ModelStatisticsResponse()
        for model in COUNTED:
            statistics = response.model_stats.add(name=model).inference_stats
            count = self.counts[model]
            statistics.success.count = count
            # `stylize` only takes requests over, as far as Triton sees.
            statistics.queue.ns = count * (1_000_000 if model == "style" else 0)
            statistics.compute_infer.ns = count * (5_000_000 if model == "style" else 300_000)
        return response

    def ServerMetadata(self, request, context):  # noqa: N802
        return messages.ServerMetadataResponse(name="scripted", version="1")

    def ServerLive(self, request, context):  # noqa: N802
        with self._changed:
            self.probes += 1
            self._changed.notify_all()
        return messages.ServerLiveResponse(live=self.live)

    def ServerReady(self, request, context):  # noqa: N802
        whole = self.whole.pop(0) if len(self.whole) > 1 else self.whole[0]
        return messages.ServerReadyResponse(ready=whole)

    def ModelReady(self, request, context):  # noqa: N802
        ready = self.ready.pop(0) if len(self.ready) > 1 else self.ready[0]
        return messages.ModelReadyResponse(ready=ready and request.name in self.models)


def picture_file(encoding: str = "png", size: tuple[int, int] = (20, 16)) -> bytes:
    """A small picture in a format."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, encoding)
    return buffer.getvalue()


def answer_with(data: bytes) -> messages.ModelInferResponse:
    """What `stylize` answers."""
    response = messages.ModelInferResponse(model_name="stylize")
    response.outputs.add(name="stylized", datatype="BYTES", shape=[1, 1])
    response.raw_output_contents.append(struct.pack("<I", len(data)) + data)
    return response


def classes_answer(classes: dict[str, list[bytes]]) -> messages.ModelInferResponse:
    """What `classify` answers, once its outputs are named."""
    response = messages.ModelInferResponse(model_name="classify")
    for name, entries in classes.items():
        response.outputs.add(name=name, datatype="BYTES", shape=[1, len(entries)])
        response.raw_output_contents.append(
            b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)
        )
    return response


@contextmanager
def serving(address: str = "127.0.0.1:0") -> Iterator[tuple[ScriptedServer, int]]:
    """A scripted server, and its port."""
    servicer = ScriptedServer()
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    options = [*unlimited, ("grpc.so_reuseport", 0)]
    server = grpc.server(ThreadPoolExecutor(32), options=options)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port(address)
    server.start()
    servicer.url = f"{address.rpartition(':')[0]}:{port}"
    yield servicer, port
    server.stop(grace=1).wait()


@pytest.fixture(scope="session")
def _grpc_server() -> Iterator[tuple[ScriptedServer, int]]:
    with serving() as server:
        yield server


@pytest.fixture
def three_servers() -> Iterator[list[ScriptedServer]]:
    """Three of them, on 127.0.0.1, 127.0.0.2 and 127.0.0.3, all at one port."""
    with ExitStack() as stack:
        first, port = stack.enter_context(serving())
        others = [stack.enter_context(serving(f"127.0.0.{number}:{port}"))[0] for number in (2, 3)]
        yield [first, *others]
        for server in (first, *others):
            server.end()


@pytest.fixture
def server(_grpc_server: tuple[ScriptedServer, int]) -> Iterator[ScriptedServer]:
    """The scripted server, as new."""
    servicer, port = _grpc_server
    ScriptedServer.__init__(servicer)
    servicer.url = f"127.0.0.1:{port}"
    yield servicer
    servicer.end()


class Clock:
    """The clock of both clients, which goes on by the pauses between attempts and by nothing else.

    Attributes:
        now: What it shows, in seconds.
        pauses: The pauses that there were; they take no time.
        meanwhile: What happens during each pause.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.meanwhile: Callable[[], Any] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()
        self.now += seconds

    async def sleep_in_loop(self, seconds: float) -> None:
        await asyncio.to_thread(self.sleep, seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of both clients, in the hands of the test."""
    clock = Clock()
    monkeypatch.setattr(_retry_policy, "time", clock)
    monkeypatch.setattr(_retry_budget, "time", clock)
    monkeypatch.setattr(_client, "time", clock)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep_in_loop)
    return clock


@pytest.fixture
def long_pauses(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The same, with pauses so long that the last attempt too has time on any machine."""
    monkeypatch.setattr(_retry_policy, "FIRST_PAUSE", HANG_SECONDS)
    monkeypatch.setattr(_retry_policy, "LONGEST_PAUSE", HANG_SECONDS)
    return clock


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a method of either client: `ask(url, "stylize", photo, "udnie", client={…})`."""

    def ask_sync(url: str, method: str, *args: Any, client: Any = None, **kwargs: Any) -> Any:
        with Client(url, **(client or {})) as art:
            return getattr(art, method)(*args, **kwargs)

    def ask_async(url: str, method: str, *args: Any, client: Any = None, **kwargs: Any) -> Any:
        async def ask_within() -> Any:
            async with AsyncClient(url, **(client or {})) as art:
                return await getattr(art, method)(*args, **kwargs)

        return asyncio.run(ask_within())

    return ask_sync if request.param == "sync" else ask_async


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """`picture_file`, for tests that cannot import this module."""
    return picture_file


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small picture as JPEG."""
    return picture_file("jpeg")


@pytest.fixture(scope="session")
def answer() -> Callable[[bytes], messages.ModelInferResponse]:
    """`answer_with`, for tests that cannot import this module."""
    return answer_with
