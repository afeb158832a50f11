"""What both clients send and return, wait for and try again, against a scripted server."""

import io
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image
from tritonclient.grpc import service_pb2 as messages

from atelier import Client, DeadlineExceeded, InvalidRequest, Overloaded, ServerFailed, Unreachable
from atelier._calls import InferBytes
from atelier._retry_policy import LONGEST_TIMEOUT
from atelier.testing import InferRequest, MockTransport, StatusError
from fakes.waiting import HANG_SECONDS

QUEUE_FULL = (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
DRAINING = (grpc.StatusCode.UNAVAILABLE, "Server is stopping to serve requests.")
QUEUE_TIME_OVER = (grpc.StatusCode.UNAVAILABLE, "Request timeout expired")
SWAPPED = (
    grpc.StatusCode.NOT_FOUND,
    "Request for unknown model: 'stylize' has no available versions",
)


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def mute():
    """An address where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("encoding", ["jpeg", "png", "webp"])
def test_an_encoded_picture_travels_as_it_is(server, ask, picture, tmp_path, encoding):
    data = picture(encoding)
    path = tmp_path / "photo"
    path.write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), path, str(path), io.BytesIO(data)):
        ask(server.url, "stylize", source, "udnie")
        assert server.inputs == {"image": data, "style": b"udnie"}
    with path.open("rb") as file:
        ask(server.url, "stylize", file, "udnie")
    assert server.inputs["image"] == data


def test_the_request_is_what_the_contract_says(server, ask, clock, jpeg):
    ask(server.url, "stylize_encoded", jpeg, {"udnie": 1, "great_wave": 0.5}, timeout=10)
    request = server.requests[-1]
    assert request.model_name == "stylize"
    assert [(t.name, t.datatype, list(t.shape)) for t in request.inputs] == [
        ("image", "BYTES", [1, 1]),
        ("style", "BYTES", [1, 1]),
    ]
    assert not request.outputs  # All that the server has.
    assert server.inputs["style"] == b"udnie:1.0,great_wave:0.5"
    assert set(request.parameters) == {"timeout"}
    assert request.parameters["timeout"].int64_param == 10e6


def test_a_client_for_bulk_work_says_so_to_models_with_a_queue(server, ask, jpeg):
    ask(server.url, "stylize_encoded", jpeg, "udnie", client={"bulk": True, "timeout": None})
    parameters = server.requests[-1].parameters
    assert set(parameters) == {"bulk", "priority"}
    assert parameters["bulk"].bool_param
    assert parameters["priority"].uint64_param == 2


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("classify", {"bulk", "priority"}),
        ("generate", {"bulk", "priority"}),
        ("vae_encoder", {"priority"}),  # It would refuse another parameter.
    ],
)
def test_bulk_is_said_in_the_way_that_the_model_knows(model, names):
    call = InferBytes(model, {}, {}, {})
    request = messages.ModelInferRequest.FromString(call.request(None, bulk=True))
    assert set(request.parameters) == names


def test_the_deadline_of_a_call_is_its_timeout(server, ask, jpeg):
    for timeout in (1000, None):
        ask(server.url, "stylize", jpeg, "udnie", timeout=timeout)
    limited, unlimited = server.seconds_left
    # On the way it is rounded up, to three digits at least.
    assert 0 < limited <= 1010
    assert unlimited > LONGEST_TIMEOUT


def test_no_timeout_sends_none(server, ask, jpeg):
    ask(server.url, "stylize_encoded", jpeg, "udnie", timeout=None)
    ask(server.url, "stylize_encoded", jpeg, "udnie", client={"timeout": None})
    assert [set(request.parameters) for request in server.requests] == [set(), set()]


def test_pixels_come_back_without_loss_and_loaded(server, ask, jpeg):
    painting = ask(server.url, "stylize", jpeg, "udnie")
    assert server.requests[-1].parameters["format"].string_param == "png"
    assert isinstance(painting, Image.Image)
    assert np.asarray(painting).shape == (16, 20, 3)
    assert getattr(painting, "fp", None) is None


def test_options_reach_the_server(server, ask, jpeg):
    painting = ask(server.url, "stylize", jpeg, "udnie", format="webp", quality=70)
    parameters = server.requests[-1].parameters
    assert painting.format == "WEBP"
    assert parameters["format"].string_param == "webp"
    assert parameters["quality"].int64_param == 70


WISHES = [
    ({"strength": 0.7}, {"strength": ("double_param", 0.7)}),
    ({"strength": 0}, {"strength": ("int64_param", 0)}),
    ({"strength": np.float32(0.5)}, {"strength": ("double_param", 0.5)}),
    ({"keep_colors": True}, {"keep_colors": ("bool_param", True)}),
    ({"longest_side": 1024}, {"longest_side": ("int64_param", 1024)}),
    ({"longest_side": np.int64(512)}, {"longest_side": ("int64_param", 512)}),
    ({"quality": 3.5}, {"quality": ("double_param", 3.5)}),
    ({"longest_side": 2**63 - 1}, {"longest_side": ("int64_param", 2**63 - 1)}),
    ({"longest_side": 10**20}, {"longest_side": ("string_param", "1" + "0" * 20)}),
    ({"quality": -(2**63) - 1}, {"quality": ("string_param", "-9223372036854775809")}),
    ({"strength": 1.0, "keep_colors": False, "longest_side": None, "quality": None}, {}),
    (
        {"strength": 2, "keep_colors": True, "longest_side": 16},
        {
            "strength": ("int64_param", 2),
            "keep_colors": ("bool_param", True),
            "longest_side": ("int64_param", 16),
        },
    ),
]


@pytest.mark.parametrize(("wishes", "sent"), WISHES)
@pytest.mark.parametrize("method", ["stylize", "stylize_encoded"])
def test_what_is_asked_for_is_sent_and_nothing_else(server, ask, jpeg, method, wishes, sent):
    ask(server.url, method, jpeg, "udnie", timeout=None, **wishes)
    parameters = dict(server.requests[-1].parameters)
    if method == "stylize":
        assert parameters.pop("format").string_param == "png"
    found = {
        name: (kind := value.WhichOneof("parameter_choice"), getattr(value, kind))
        for name, value in parameters.items()
    }
    assert found == sent


def test_encoded_bytes_come_back_as_the_server_made_them(server, ask, jpeg, picture):
    assert ask(server.url, "stylize_encoded", jpeg, "udnie") == picture("jpeg")
    assert "format" not in server.requests[-1].parameters


def test_what_was_no_served_format_comes_back_as_png(server, ask, jpeg):
    image = Image.open(io.BytesIO(jpeg))
    answer = ask(server.url, "stylize_encoded", image, "udnie")
    assert answer.startswith(b"\x89PNG")


def test_the_pixels_of_an_array_arrive_unchanged(server, ask):
    pixels = np.random.default_rng(0).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    ask(server.url, "stylize", pixels, "udnie")
    sent = Image.open(io.BytesIO(server.inputs["image"]))
    np.testing.assert_array_equal(np.asarray(sent), pixels)


def test_messages_larger_than_grpc_likes(server, ask, answer):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG", compress_level=0)
    large = buffer.getvalue()
    assert len(large) > 4 * 2**20
    server.script = [answer(large)]
    assert ask(server.url, "stylize_encoded", large, "udnie") == large


def test_styles_come_from_the_server(server, ask):
    server.style_names = "great_wave, starry_night,udnie"
    assert ask(server.url, "styles") == ["great_wave", "starry_night", "udnie"]
    server.style_names = None
    with pytest.raises(ServerFailed, match="no parameter 'styles'"):
        ask(server.url, "styles")


def test_answers_that_are_none(server, ask, jpeg, answer):
    cut = answer(b"whole")
    cut.raw_output_contents[0] = cut.raw_output_contents[0][:-1]
    elsewhere = answer(b"whole")
    elsewhere.outputs[0].name = "other"
    server.script = [cut, elsewhere, answer(b"no picture")]
    for expected in ("'stylized'", "'stylized'", "not an image"):
        with pytest.raises(ServerFailed, match=expected):
            ask(server.url, "stylize", jpeg, "udnie")


@pytest.mark.parametrize("trouble", [QUEUE_FULL, DRAINING, QUEUE_TIME_OVER])
def test_what_may_pass_is_tried_again(server, ask, clock, jpeg, trouble):
    server.script = [trouble, trouble]
    ask(server.url, "stylize", jpeg, "udnie")
    assert len(server.requests) == 3
    left = [request.parameters["timeout"].int64_param for request in server.requests]
    first, second = clock.pauses
    assert left == pytest.approx([30e6, (30 - first) * 1e6, (30 - first - second) * 1e6], abs=1)
    assert first > 0
    assert second > 0


def test_all_that_a_call_sends_has_its_id(server, ask, clock, jpeg):
    server.script = [QUEUE_FULL, QUEUE_FULL]
    ask(server.url, "stylize", jpeg, "udnie")
    ask(server.url, "stylize", jpeg, "udnie")
    ask(server.url, "styles")
    first, *others, second = [request.id for request in server.requests]
    assert others == [first] * 2
    assert server.ids[:4] == [*([first] * 3), second]
    assert len({first, second, server.ids[4]}) == 3


def test_an_error_names_its_call(server, ask, nobody, jpeg):
    server.hold()
    with pytest.raises(DeadlineExceeded, match=r"\[request id: [0-9a-f]{16}\]$"):
        ask(server.url, "stylize", jpeg, "udnie", timeout=0.1)
    server.script = [messages.ModelInferResponse()]
    with pytest.raises(ServerFailed, match="without a whole 'stylized'") as caught:
        ask(server.url, "stylize", jpeg, "udnie")
    assert caught.value.request_id == server.requests[-1].id
    with pytest.raises(Unreachable, match=r"cannot reach .*\[request id: "):
        ask(nobody, "styles", client={"retries": 0})
    with pytest.raises(InvalidRequest) as caught:
        ask(server.url, "stylize", np.zeros((4, 4)), "udnie")
    assert caught.value.request_id == ""


def test_retries_end(server, ask, clock, jpeg):
    server.script = [QUEUE_FULL] * 9
    with pytest.raises(Overloaded):
        ask(server.url, "stylize", jpeg, "udnie", client={"retries": 2})
    assert len(server.requests) == 3


def test_a_model_that_is_swapped_is_waited_for_beyond_the_retries(server, ask, clock, jpeg):
    server.script = [SWAPPED] * 3
    ask(server.url, "stylize", jpeg, "udnie", client={"retries": 1})
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("style", "wishes", "words"),
    [
        ("\udcff", {}, r"style: '\\udcff' is not text in UTF-8"),
        ({"\udcff": 0.5}, {}, r"style: '\\udcff:0.5' is not text in UTF-8"),
        ("udnie", {"format": "\udcff"}, r"format: '\\udcff' is not text in UTF-8"),
    ],
)
def test_text_that_cannot_be_sent(server, ask, jpeg, style, wishes, words):
    with pytest.raises(InvalidRequest, match=words):
        ask(server.url, "stylize", jpeg, style, **wishes)
    assert not server.requests


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND"])
def test_what_cannot_pass_is_not_tried_again(server, ask, jpeg, status):
    server.script = [(grpc.StatusCode[status], "no")]
    with pytest.raises((InvalidRequest, ServerFailed)):
        ask(server.url, "stylize", jpeg, "udnie")
    assert len(server.requests) == 1


def test_the_timeout_bounds_the_call(server, ask, jpeg):
    server.hold()
    words = f"{server.url} did not answer within the timeout of 0.1 s: .*timeout="
    with pytest.raises(DeadlineExceeded, match=words) as caught:
        ask(server.url, "stylize", jpeg, "udnie", timeout=0.1)
    assert isinstance(caught.value, TimeoutError)


def test_the_timeout_bounds_the_retries(server, ask, long_pauses, jpeg):
    server.script = [QUEUE_FULL] * 1000
    with pytest.raises(Overloaded):
        ask(server.url, "stylize", jpeg, "udnie", client={"retries": 1000, "timeout": 600})
    # Another pause as long, and as much time again for another attempt, had no place any more.
    assert 600 - 2 * HANG_SECONDS <= long_pauses.now < 600
    assert len(server.requests) == len(long_pauses.pauses) + 1


def test_the_clients_timeout_is_the_default(server, ask, jpeg):
    server.hold()
    with pytest.raises(DeadlineExceeded):
        ask(server.url, "stylize", jpeg, "udnie", client={"timeout": 0.1})


def test_nobody_there_is_told_quickly(nobody, ask, clock, jpeg):
    with pytest.raises(Unreachable, match=f"cannot reach the server at {nobody}") as caught:
        ask(nobody, "stylize", jpeg, "udnie", client={"retries": 3})
    assert len(clock.pauses) == 3
    assert clock.now < 3
    assert "8001" in str(caught.value)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_restart_of_the_server_is_waited_for(ask, clock, jpeg):
    def answer(request: InferRequest) -> dict[str, list[bytes]]:
        if clock.now < 7:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "failed to connect")
        return {"stylized": [jpeg]}

    ask("localhost:8001", "stylize", jpeg, "udnie", client={"transport": MockTransport(answer)})
    assert 7 <= clock.now < 10


def test_nobody_is_waited_for_longer_than_the_timeout(nobody, ask, clock, jpeg):
    with pytest.raises(Unreachable, match="cannot reach"):
        ask(nobody, "stylize", jpeg, "udnie", client={"retries": None, "timeout": 20})
    assert 15 < clock.now < 20


def test_a_mute_server_ends_with_the_timeout(mute, ask, jpeg):
    with pytest.raises(DeadlineExceeded):
        ask(mute, "stylize", jpeg, "udnie", timeout=0.2)


def test_waiting_until_ready(server, ask, clock):
    server.ready = [False, False, True]
    ask(server.url, "wait_ready", 10)
    assert server.ready == [True]
    assert len(clock.pauses) == 2


def test_waiting_for_another_model(server, ask, clock):
    server.models = ["stylize"]
    clock.meanwhile = lambda: server.models.append("generate")
    ask(server.url, "wait_ready", model="generate")
    assert len(clock.pauses) == 1


def test_waiting_in_vain(server, ask, long_pauses, nobody):
    server.ready = [False]
    with pytest.raises(Unreachable, match="model 'stylize' is not ready yet"):
        ask(server.url, "wait_ready", 600)
    assert 600 - 2 * HANG_SECONDS <= long_pauses.now < 600
    with pytest.raises(Unreachable, match="cannot reach"):
        ask(nobody, "wait_ready", 600)


def test_waiting_for_a_server_that_comes_later(server, ask, clock):
    came, stop = threading.Event(), threading.Event()

    def come() -> None:
        # Attempts go on in real time, since a channel waits in real time to connect again.
        came.set()
        time.sleep(0.02)

    clock.meanwhile = come
    with socket.socket() as place, ThreadPoolExecutor(1) as threads:
        place.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{place.getsockname()[1]}"
        forwarding = threads.submit(forward, place, server.url, came, stop)
        try:
            ask(url, "wait_ready", None)
        finally:
            came.set()
            stop.set()
        forwarding.result()
    assert clock.pauses


def forward(place: socket.socket, url: str, begin: threading.Event, stop: threading.Event) -> None:
    """Lets connections to a bound socket reach the server at `url`, from `begin` to `stop`."""
    host, _, target_port = url.partition(":")
    ends: list[socket.socket] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    threads = []
    begin.wait()
    place.listen()
    place.settimeout(0.02)
    while not stop.is_set():
        try:
            near, _ = place.accept()
        except TimeoutError:
            continue
        far = socket.create_connection((host, int(target_port)))
        ends += [near, far]
        for pair in ((near, far), (far, near)):
            threads.append(threading.Thread(target=copy, args=pair))
            threads[-1].start()
    for end in ends:
        end.close()


def test_many_threads_share_one_client(server, jpeg):
    with Client(server.url) as art, ThreadPoolExecutor(16) as threads:
        styles = [f"style_{number}" for number in range(200)]
        paintings = list(threads.map(lambda style: art.stylize_encoded(jpeg, style), styles))
    assert len(paintings) == 200
    sent = sorted(request.raw_input_contents[1][4:].decode() for request in server.requests)
    assert sent == sorted(styles)


def test_a_closed_client_says_so(server, jpeg):
    art = Client(server.url)
    art.close()
    art.close()
    with pytest.raises(RuntimeError, match="is closed"):
        art.stylize(jpeg, "udnie")


def test_a_copy_in_another_process_connects_again(server, jpeg):
    with Client(server.url, timeout=60, retries=7) as art:
        art.stylize(jpeg, "udnie")
        with pickle.loads(pickle.dumps(art)) as copy:
            art.close()
            assert copy.stylize_encoded(jpeg, "udnie")
            assert (copy.url, copy.timeout, copy.retries) == (server.url, 60, 7)


def test_closing_ends_calls_under_way(server, jpeg):
    server.hold()
    art = Client(server.url, timeout=None)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(art.stylize, jpeg, "udnie")
        server.wait_for(lambda: server.requests)
        art.close()
        with pytest.raises(Unreachable):
            call.result()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e10, 1e13])
def test_timeouts_out_of_range(server, ask, jpeg, timeout):
    with pytest.raises(ValueError, match="above 0"):
        ask(server.url, "styles", client={"timeout": timeout})
    with pytest.raises(ValueError, match="above 0"):
        ask(server.url, "stylize", jpeg, "udnie", timeout=timeout)


def test_the_longest_timeout(server, ask, jpeg):
    ask(server.url, "stylize", jpeg, "udnie", timeout=LONGEST_TIMEOUT)
    assert server.requests[-1].parameters["timeout"].int64_param > 0.99e15


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="retries -1"):
        Client(retries=-1)


def test_a_file_that_is_not_there(server, ask):
    with pytest.raises(FileNotFoundError):
        ask(server.url, "stylize", Path("nowhere.jpg"), "udnie")
    assert not server.requests


def test_closing_ends_a_call_between_two_attempts(clock, nobody, jpeg):
    pausing, closed = threading.Event(), threading.Event()

    def pause() -> None:
        pausing.set()
        assert closed.wait(HANG_SECONDS)

    clock.meanwhile = pause
    art = Client(nobody, retries=1000, timeout=60)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(art.stylize, jpeg, "udnie")
        assert pausing.wait(HANG_SECONDS)
        art.close()
        closed.set()
        with pytest.raises(Unreachable):
            call.result()
    assert len(clock.pauses) == 1


def test_a_timeout_too_short_to_do_anything_is_told_as_one(server, ask, jpeg):
    with pytest.raises(DeadlineExceeded):
        ask(server.url, "stylize", jpeg, "udnie", timeout=1e-9)
