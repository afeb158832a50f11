import os
import signal
import socket

import pytest

from atelier_serving import commands
from fakes.waiting import until


def test_sigterm_under_load_loses_no_accepted_request(serve, waiters, send, drains):
    command = serve("--model-repository", waiters)
    urls = command.ready()
    held = send(urls["grpc"], urls["metrics"], 8)
    command.process.send_signal(signal.SIGTERM)
    until(lambda: drains(urls["http"]))
    held.open()
    assert [answer.result() for answer in held.answers] == held.expected
    assert command.end() == 0
    assert command.process.stdout.read() == ""
    assert "stopping: accepted requests may take up to 30 s" in command.log


def test_a_second_ctrl_c_stops_at_once(serve, waiters, send, drains):
    # The requests end never, and the first Ctrl-C gives them longer than the test waits.
    command = serve("--model-repository", waiters, "--exit-timeout", 600)
    urls = command.ready()
    held = send(urls["grpc"], urls["metrics"], 2)
    command.process.send_signal(signal.SIGINT)
    until(lambda: drains(urls["http"]))
    assert command.process.poll() is None
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 130
    assert all(answer.exception() for answer in held.answers)


def test_ctrl_c_while_models_load_stops_at_once(serve, tmp_path, write_model):
    code = "import threading\nprint('loading')\nthreading.Event().wait()\n"
    command = serve("--model-repository", write_model(tmp_path, "endless", code))
    until(lambda: "loading" in command.log)
    command.process.send_signal(signal.SIGINT)
    assert command.end() == 130
    assert command.process.stdout.read() == ""


def test_a_broken_model_is_told_in_few_lines(serve, tmp_path, write_model):
    command = serve("--model-repository", write_model(tmp_path, "broken", "1 / 0\n"))
    assert command.end() == 1
    error = command.log[command.log.index("Error: Triton") :]
    assert "model 'broken' version 1: Internal: ZeroDivisionError" in error
    assert len(error.splitlines()) == 2


def test_a_port_in_use_is_told(serve, waiters):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = serve("--model-repository", waiters, "--http-port", port)
        assert command.end() == 1
    assert f"Error: port {port} of 127.0.0.1 is in use" in command.log


def test_a_crash_is_told_and_served_on(serve, waiters, processes, infer):
    command = serve("--model-repository", waiters)
    urls = command.ready()
    (triton,) = [
        pid for pid, name in processes(command.process.pid).items() if name == "tritonserver"
    ]
    os.kill(triton, signal.SIGSEGV)
    until(lambda: "restarted: every model is ready again\n" in command.log)
    assert "restarting: Triton was ended by SIGSEGV\n" in command.log
    assert infer(urls["grpc"]) == 0
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0


def test_options_after_two_dashes_reach_triton(serve, waiters):
    command = serve("--model-repository", waiters, "--", "--no-such-option", http=False)
    assert command.end() == 1
    assert "unrecognized option '--no-such-option'" in command.log
    assert len(command.log.splitlines()) == 2


def test_own_options_are_not_to_be_passed_on(serve, waiters):
    command = serve("--model-repository", waiters, "--", "--grpc-port=1")
    assert command.end() == 2
    assert "--grpc-port follows from the server's own settings" in command.log


def test_options_can_be_set_in_the_environment(serve, waiters, monkeypatch):
    monkeypatch.setenv("ATELIER_SERVE_EXIT_TIMEOUT", "-1")
    command = serve("--model-repository", waiters)
    assert command.end() == 2
    assert "'--exit-timeout'" in command.log


def test_repositories_can_be_set_in_the_environment(
    serve, waiters, tmp_path, write_model, monkeypatch
):
    other = write_model(tmp_path / "my models", "another")
    monkeypatch.setenv("ATELIER_SERVE_MODEL_REPOSITORY", f"{waiters}:{other}:{tmp_path}/none")
    command = serve()
    assert command.end() == 1
    assert f"Error: cannot look into the model repository '{tmp_path}/none'" in command.log


@pytest.mark.parametrize(
    ("value", "repositories"),
    [
        ("/models", ["/models"]),
        ("/my models:models:", ["/my models", "models"]),
        ("s3://bucket/models:gs://bucket/models", ["s3://bucket/models", "gs://bucket/models"]),
        ("s3://https://host:9000/models:/models", ["s3://https://host:9000/models", "/models"]),
    ],
)
def test_colons_part_repositories_and_not_addresses(value, repositories, monkeypatch):
    monkeypatch.setenv("ATELIER_SERVE_MODEL_REPOSITORY", value)
    context = commands.serve.make_context("serve", [])
    assert list(context.params["model_repository"]) == repositories


@pytest.mark.parametrize("nohup", [False, True])
def test_a_hang_up_stops_unless_it_was_ignored_at_the_start(serve, waiters, infer, nohup):
    inherited = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        command = serve("--model-repository", waiters)
    finally:
        signal.signal(signal.SIGHUP, inherited)
    urls = command.ready()
    command.process.send_signal(signal.SIGHUP)
    if nohup:
        assert infer(urls["grpc"]) == 0
        # Had it heard the hang-up, this would be the second signal, and it would end with 129.
        command.process.send_signal(signal.SIGTERM)
    assert command.end() == 0
