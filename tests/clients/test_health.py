"""Whether a server is ready, of both clients and of the command."""

import re
import socket

import pytest

from atelier import Unreachable
from atelier._cli.root import run


@pytest.fixture
def nobody():
    """An address at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_the_models_of_a_server_that_is_ready(server, ask):
    assert ask(server.url, "health") == ["style", "stylize"]


def test_what_is_missing_is_said_after_one_attempt(server, clock, ask):
    server.ready = [False]
    with pytest.raises(Unreachable, match="its model 'style' is not ready"):
        ask(server.url, "health")
    server.whole = [False]
    with pytest.raises(Unreachable, match="is up, but not ready"):
        ask(server.url, "health")
    server.live = False
    with pytest.raises(Unreachable, match="not live"):
        ask(server.url, "health")
    assert clock.pauses == []


def test_a_server_that_starts_is_waited_for(server, clock, ask):
    server.whole = [False, False, True]
    assert "style" in ask(server.url, "health", 60.0)
    assert len(clock.pauses) == 2


def test_the_wait_ends(server, clock, ask):
    server.whole = [False]
    with pytest.raises(Unreachable, match="is up, but not ready"):
        ask(server.url, "health", 60.0)
    assert 50 < clock.now <= 60


def test_a_status_says_what_is_not_ready(server, clock, nobody, capsys):
    assert run(["status", "--url", server.url]) == 0
    assert f"{server.url}: scripted 1, ready\n" in capsys.readouterr().out
    server.ready = [True, False]
    assert run(["status", "--url", server.url]) == 1
    table = capsys.readouterr().out
    assert re.search(r"style .* ready", table)
    assert re.search(r"stylize .* not ready", table)
    server.whole = [False]
    assert run(["status", "--url", server.url]) == 1
    assert "scripted 1, not ready" in capsys.readouterr().out
    assert run(["status", "--url", nobody]) == 3
    assert clock.pauses == []


def test_the_command(server, clock, nobody, capsys):
    assert run(["health", "--url", server.url]) == 0
    assert capsys.readouterr().out == ("live, ready, and so are its models: style, stylize\n")
    server.whole = [False, True]
    assert run(["health", "--url", server.url, "--wait", "60"]) == 0
    server.whole = [False]
    assert run(["health", "--url", server.url]) == 1
    assert "is up, but not ready" in capsys.readouterr().err
    assert run(["health", "--url", nobody]) == 1
    assert "cannot reach the server" in capsys.readouterr().err
