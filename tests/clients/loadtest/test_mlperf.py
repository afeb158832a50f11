"""LoadGen drives a real gRPC server, and its own log says whether the run is valid."""

import json
import multiprocessing
from pathlib import Path

import grpc
import pytest

from atelier._cli.root import run
from atelier.testing import StatusError
from fakes.mock_server import serving

CONFIGS = [(Path(__file__).parents[3] / "model_repository/vae_decoder/config.pbtxt").read_text()]


@pytest.fixture
def served():
    with serving(CONFIGS) as server:
        yield server


@pytest.fixture
def mlperf(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def tested(*arguments):
        code = run(["loadtest", "vae_decoder", "--mlperf", *arguments, "--url", served.url])
        file = tmp_path / "loadtest.json"
        return code, json.loads(file.read_text())["mlperf"] if file.exists() else None

    return tested


def validity(folder):
    """What LoadGen's detailed log says, read here by itself."""
    for line in (folder / "mlperf_log_detail.txt").read_text().splitlines():
        entry = json.loads(line.partition(" ")[2])
        if entry["key"] == "result_validity":
            return entry["value"]
    return None


# Each is valid on a machine of any speed: nothing has to be quick.
@pytest.mark.parametrize(
    ("scenario", "arguments"),
    [
        ("singlestream", []),
        ("multistream", []),
        ("server", ["--rate", "120", "--slo", "p90<60s"]),
    ],
)
def test_loadgens_log_calls_the_run_valid(mlperf, served, tmp_path, capsys, scenario, arguments):
    code, found = mlperf(scenario, *arguments, "--seconds", "1")
    assert code == 0
    assert validity(tmp_path / "loadtest-mlperf") == "VALID"
    assert found["valid"]
    assert found["failures"] == {}
    assert len(served.bodies) > 100
    out = capsys.readouterr().out
    assert f"LoadGen calls this {scenario} run VALID." in out
    assert "Min duration satisfied: Yes" in out
    page = (tmp_path / "loadtest.html").read_text()
    assert "MLPerf Results Summary" in page
    assert f"LoadGen calls this {scenario} run VALID." in page
    assert "lasts 600 s or more; this one was asked for 1 s" in out
    assert not multiprocessing.active_children()


def test_the_objective_is_loadgens(mlperf):
    _, found = mlperf("server", "--rate", "120", "--slo", "p90<1500ms", "--seconds", "1")
    summary = found["summary"]
    assert "target_qps : 120" in summary
    assert "target_latency (ns): 1500000000" in summary
    assert "90.00 percentile latency" in summary
    assert found["settings"]["quantile"] == pytest.approx(0.9)


def test_too_few_queries_for_a_percentile_are_invalid_for_loadgen_too(mlperf, tmp_path, capsys):
    _, found = mlperf("server", "--rate", "120", "--slo", "p99<60s", "--seconds", "1")
    assert validity(tmp_path / "loadtest-mlperf") == "INVALID"
    assert not found["valid"]
    # 459 in all, as for our own percentiles.
    assert "Early stopping satisfied: NO" in capsys.readouterr().out


def test_all_samples_of_offline_are_sent(mlperf, served, tmp_path, capsys):
    _, found = mlperf("offline", "--rate", "300", "--seconds", "1")
    # As many as the expected rate takes for the time, and a tenth more.
    assert len(served.bodies) >= 330
    assert found["valid"] == (validity(tmp_path / "loadtest-mlperf") == "VALID")


def test_a_failure_makes_a_run_invalid_of_which_loadgen_does_not_know(mlperf, served, capsys):
    def fail(count):
        if count == 50:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "no more")

    served.on_request = fail
    _, found = mlperf("singlestream", "--seconds", "1")
    assert found["result"]["result_validity"] == "VALID"
    assert not found["valid"]
    assert sum(found["failures"].values()) == 1
    assert "1 requests failed with" in capsys.readouterr().out


def test_ctrl_c_ends_loadgen(mlperf, served, interrupt):
    served.on_request = lambda count: interrupt() if count == 60 else None
    assert mlperf("singlestream", "--seconds", "600") == (130, None)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["server", "--slo", "p99<1s"], "--mlperf server needs --rate, the queries a second"),
        (["server", "--rate", "9"], "needs --slo, one percentile of its latency, such as"),
        (["server", "--rate", "9", "--slo", "errors<1%"], "errors<1%: LoadGen takes one"),
        (["server", "--rate", "9", "--slo", "p50<1s,p99<2s"], "LoadGen takes one percentile"),
        (["singlestream", "--rate", "9"], "singlestream has no --rate"),
        (["offline"], "--mlperf offline needs --rate"),
        (["offline", "--rate", "9", "--slo", "p99<1s"], "offline has no --slo"),
        (["singlestream", "--callers", "2"], "--callers is not for --mlperf"),
        (["server", "--rate", "9", "--slo", "p9<1s", "--processes", "2"], "--processes is not for"),
    ],
)
def test_an_option_that_does_not_fit_the_scenario_is_named(mlperf, capsys, arguments, message):
    assert mlperf(*arguments) == (1, None)
    assert message in capsys.readouterr().err
