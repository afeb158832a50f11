"""`atelier loadtest` against a real gRPC server in the process of the test."""

import json
import multiprocessing
import re
from pathlib import Path

import pytest

from atelier._cli.root import run
from atelier._loadtest import capacity as capacity_module
from fakes.mock_server import serving

REPOSITORY = Path(__file__).parents[3] / "model_repository"
CONFIGS = [path.read_text() for path in REPOSITORY.glob("*/config.pbtxt")]


@pytest.fixture
def served():
    with serving(CONFIGS) as server:
        yield server


@pytest.fixture
def loadtest(served, tmp_path, monkeypatch):
    """Runs the command in a folder of its own; returns the exit code and what it wrote."""
    monkeypatch.chdir(tmp_path)

    def tested(*arguments):
        code = run(["loadtest", *arguments, "--url", served.url])
        file = tmp_path / "loadtest.json"
        return code, json.loads(file.read_text()) if file.exists() else None

    return tested


def test_what_is_planned_is_sent_and_written(served, loadtest, capsys):
    code, report = loadtest("vae_decoder", "--rate", "100", "--seconds", "1", "--warmup", "0.5")
    assert code == 0
    measured = report["run"]
    assert 50 < measured["planned"] == measured["answered"] < 150
    # Those of the warm-up were sent, too.
    assert len(served.bodies) > measured["answered"]
    assert measured["client_processes"] == 1
    assert sum(each["answered"] for each in measured["intervals"]) == measured["answered"]
    assert report["about"]["models"] == {"vae_decoder": ["1"]}
    assert report["about"]["settings"]["seed"] == 0
    out = capsys.readouterr().out
    assert out.startswith("loadtest.json\nloadtest.html\n")
    assert "requests planned in 1 s" in out
    assert "needs 459 requests" in out


@pytest.mark.parametrize("processes", ["1", "3"])
def test_each_request_of_the_plan_is_sent_once(served, loadtest, processes):
    arguments = ("vae_decoder", "--rate", "150", "--seconds", "1", "--warmup", "0")
    code, report = loadtest(*arguments, "--processes", processes, "--arrivals", "constant")
    assert code == 0
    assert report["run"]["planned"] == report["run"]["answered"] == len(served.bodies) == 150
    assert report["run"]["client_processes"] == int(processes)
    assert report["run"]["client_cores"] > 0
    first = sorted(served.bodies)
    served.bodies.clear()
    loadtest(*arguments, "--arrivals", "constant")
    assert sorted(served.bodies) == first


def test_a_closed_loop_shares_its_callers_between_processes(served, loadtest):
    code, report = loadtest(
        "vae_decoder", "--callers", "3", "--seconds", "1", "--warmup", "0", "--processes", "2"
    )
    assert code == 0
    assert report["run"]["answered"] == len(served.bodies) > 3
    assert report["run"]["lateness"]["longest"] <= 1e-6


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_writes_what_was_measured(served, loadtest, capsys, interrupt, processes):
    served.on_request = lambda count: interrupt() if count == 60 else None
    code, report = loadtest(
        "vae_decoder", "--rate", "100", "--seconds", "30", "--warmup", "0",
        "--processes", processes,
    )  # fmt: skip
    assert code == 130
    assert report["run"]["interrupted"]
    assert 0 < report["run"]["answered"] < 1000
    assert "these are the figures up to then" in capsys.readouterr().out
    assert not multiprocessing.active_children()


def test_a_client_process_that_ends_is_said_to(served, loadtest, capsys):
    def kill(count):
        if count == 60:
            multiprocessing.active_children()[0].kill()

    served.on_request = kill
    code, report = loadtest(
        "vae_decoder", "--rate", "100", "--seconds", "30", "--warmup", "0", "--processes", "2"
    )
    assert (code, report) == (1, None)
    assert "a client process ended with -9, in the middle of its work" in capsys.readouterr().err
    assert not multiprocessing.active_children()


def test_a_mix_of_models_has_the_latencies_of_each(served, loadtest, capsys):
    _, report = loadtest(
        "vae_decoder:1,generator:1", "--rate", "200", "--seconds", "1", "--warmup", "0"
    )
    models = report["run"]["models"]
    assert sorted(models) == ["generator", "vae_decoder"]
    assert sum(each["requests"] for each in models.values()) == report["run"]["answered"]
    assert "generator" in capsys.readouterr().out


def test_steps_have_a_point_each(loadtest):
    _, report = loadtest("vae_decoder", "--steps", "50,100", "--seconds", "2", "--warmup", "0")
    first, second = report["run"]["points"]
    assert (first["rate"], second["rate"]) == (50, 100)
    assert first["latency"]["requests"] < second["latency"]["requests"]


def test_a_trace_is_sent_as_it_stands(served, loadtest, tmp_path):
    (tmp_path / "trace.txt").write_text("0\n0.1\n0.1\n0.25\n")
    _, report = loadtest("vae_decoder", "--trace", "trace.txt")
    assert report["run"]["planned"] == len(served.bodies) == 4
    assert report["run"]["seconds"] == 0.25


def test_a_search_for_the_capacity_is_written_and_printed(loadtest, capsys, monkeypatch):
    monkeypatch.setattr(capacity_module, "_LOOP_SECONDS", 1.5)
    # Nobody waits an hour: what is searched for is the rate at which the queue grows.
    code, report = loadtest(
        "vae_decoder", "--find-capacity", "--slo", "p50<3600s,errors<50%", "--seconds", "1",
        "--warmup", "0",
    )  # fmt: skip
    capacity = report["capacity"]
    assert code == 0
    assert capacity["objectives"] == ["p50<3600s", "errors<50%"]
    assert capacity["trials"]
    assert capacity["saturation"]["rate"] > 0
    # This server may be quicker than its client on the same cores; then that is said.
    assert capacity["stopped"] or capacity["queue_grows"]
    assert len(report["run"]["points"]) == len(capacity["trials"])
    out = capsys.readouterr().out
    assert "1 caller, each waiting for the response" in out
    assert "At saturation, with" in out
    if capacity["holds"]:
        assert "Capacity: p50<3600s and errors<50% held at" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --rate, --ramp, .* and --find-capacity; there is nothing"),
        (["--rate", "5", "--callers", "2"], "there is --rate and --callers"),
        (["--ramp", "5-50"], "rates '5-50': give numbers above 0, such as 5:50"),
        (["--find-capacity"], "--find-capacity needs to know what is to hold: add --slo"),
        (["--rate", "5", "--slo", "p99<1s"], "--slo is for --find-capacity"),
        (["--find-capacity", "--slo", "p99"], "objective 'p99': write a percentile and a time"),
        (["--rate", "5", "--size", "big"], "size 'big': give WIDTHxHEIGHT"),
        (["--rate", "1e9"], "20,000,000 is the most for one run"),
    ],
)
def test_an_option_that_cannot_be_read_is_named(loadtest, capsys, arguments, message):
    code, report = loadtest("vae_decoder", *arguments)
    assert (code, report) == (1, None)
    assert re.search(f"Error: .*{message}", capsys.readouterr().err)


def test_an_unknown_model_is_named(loadtest, capsys):
    assert loadtest("nobody", "--rate", "5") == (1, None)
    assert "'nobody'" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["loadtest", "stylize", "--rate", "5", "--url", "127.0.0.1:1"]) == 3
    assert "127.0.0.1:1" in capsys.readouterr().err
