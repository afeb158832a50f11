import pickle

import grpc
import pytest

from atelier import (
    AtelierError,
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    ServerFailed,
    Unreachable,
)
from atelier._errors import from_status

BY_STATUS = {
    "CANCELLED": Unreachable,
    "UNKNOWN": ServerFailed,
    "INVALID_ARGUMENT": InvalidRequest,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": InvalidRequest,
    "ALREADY_EXISTS": InvalidRequest,
    "PERMISSION_DENIED": NotAllowed,
    "UNAUTHENTICATED": NotAllowed,
    "RESOURCE_EXHAUSTED": Overloaded,
    "FAILED_PRECONDITION": InvalidRequest,
    "ABORTED": ServerFailed,
    "OUT_OF_RANGE": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "INTERNAL": ServerFailed,
    "UNAVAILABLE": Unreachable,
    "DATA_LOSS": ServerFailed,
}

BY_MESSAGE = [
    ("UNAVAILABLE", "[request id: 1] Exceeds maximum queue size", Overloaded),
    ("UNAVAILABLE", "Request timeout expired", Overloaded),
    ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped", Draining),
    ("UNAVAILABLE", "This protocol is restricted, expecting header 'x'", NotAllowed),
    ("NOT_FOUND", "Request for unknown model: 'stylize' has no available versions", Unreachable),
    ("NOT_FOUND", "Request for unknown model: 'stylize' is not found", InvalidRequest),
    ("INTERNAL", "Stub process 'decode_0_0' is not healthy.", Unreachable),
    ("INTERNAL", "Failed to increase the shared memory pool size for key 'a' to 9", Overloaded),
    ("RESOURCE_EXHAUSTED", "Sent message larger than max (9 vs. 4)", InvalidRequest),
    ("UNIMPLEMENTED", "Received http2 header with status: 404", Unreachable),
    ("UNKNOWN", "Received http2 header with status: 413", InvalidRequest),
]


@pytest.mark.parametrize("status", [s for s in grpc.StatusCode if s is not grpc.StatusCode.OK])
def test_each_status_is_one_error_of_the_tree(server, ask, status):
    server.script = [(status, "in ensemble 'stylize', the reason")]
    with pytest.raises(AtelierError) as caught:
        ask(server.url, "stylize", b"\xff\xd8\xff", "udnie", client={"retries": 0})
    error = caught.value
    assert type(error) is BY_STATUS[status.name]
    assert error.code is status
    assert error.details == "the reason"
    assert error.model == "stylize"
    assert error.request_id == server.requests[-1].id
    name = f" [request id: {error.request_id}]"
    assert str(error).endswith((f"the reason{name}", f"(the reason){name}"))
    assert (server.url in str(error)) == (type(error) is not InvalidRequest)


@pytest.mark.parametrize(("status", "message", "kind"), BY_MESSAGE)
def test_the_message_tells_apart_what_shares_a_status(server, ask, status, message, kind):
    server.script = [(grpc.StatusCode[status], message)]
    with pytest.raises(AtelierError) as caught:
        ask(server.url, "stylize", b"\xff\xd8\xff", "udnie", client={"retries": 0})
    assert type(caught.value) is kind


def message(status: str, details: str, timeout: float | None = 7.5) -> str:
    code = grpc.StatusCode[status]
    return str(from_status(code, details, url="host:8000", model=None, timeout=timeout))


def test_an_empty_refusal_still_says_something():
    assert message("INVALID_ARGUMENT", "") == "refused with INVALID_ARGUMENT"


def test_who_cannot_reach_the_server_learns_what_to_check():
    words = message("UNAVAILABLE", "failed to connect to all addresses; Connection refused")
    assert words.startswith("cannot reach the server at host:8000: check that it runs and that the")
    assert "for gRPC, 8001 unless set otherwise, and not 8000, which is for HTTP" in words
    assert words.endswith(" (failed to connect to all addresses; Connection refused)")


def test_a_server_that_stops_says_so_and_no_more():
    stopping = "Server is stopping, scheduler for model has stopped"
    assert message("UNAVAILABLE", stopping) == (
        f"the server at host:8000 is shutting down: {stopping}"
    )


def test_a_model_that_is_away_is_not_told_as_a_server_out_of_reach():
    away = "Request for unknown model: 'stylize' has no available versions"
    assert message("NOT_FOUND", away) == (
        "the server at host:8000 does not serve it at the moment; a model is being swapped or "
        f"started again, or did not load: {away}"
    )


def test_who_ran_out_of_time_learns_how_to_give_more():
    words = message("DEADLINE_EXCEEDED", "Deadline Exceeded")
    assert "host:8000 did not answer within the timeout of 7.5 s: give it more time" in words
    assert "timeout= in Python or --timeout on the command line" in words
    assert words.endswith(" (Deadline Exceeded)")
    assert "did not answer in time" in message("DEADLINE_EXCEEDED", "", timeout=None)


def test_errors_are_also_the_built_in_ones_of_their_meaning():
    assert issubclass(InvalidRequest, ValueError)
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(Unreachable, ConnectionError)
    assert issubclass(Draining, ConnectionError)
    assert issubclass(NotAllowed, PermissionError)


@pytest.mark.parametrize("kind", [AtelierError, Draining, *dict.fromkeys(BY_STATUS.values())])
def test_errors_survive_the_way_between_processes(kind):
    error = kind("the sentence", code=grpc.StatusCode.INTERNAL, details="why", model="style")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "the sentence"
    assert (copy.code, copy.details, copy.model) == (error.code, "why", "style")


def test_an_error_names_its_call_once_also_after_a_way_between_processes(server, ask):
    server.script = [(grpc.StatusCode.INTERNAL, "[request id: abc] no memory")]
    with pytest.raises(ServerFailed) as caught:
        ask(server.url, "stylize", b"\xff\xd8\xff", "udnie")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.details == "no memory"
    assert len(copy.request_id) == 16
    assert str(copy) == (
        f"the server at {server.url} failed: no memory [request id: {copy.request_id}]"
    )
