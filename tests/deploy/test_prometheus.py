"""Rules, alerts and the dashboard: with promtool, and with Prometheus on a server under load."""

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data
from tritonclient import grpc

from atelier import Client, InvalidRequest
from atelier_serving import TritonServer
from atelier_serving.ports import free_port
from fakes.python_models import copy_code
from fakes.style_network import IN_TWO_STYLES, write_style, write_stylize
from fakes.waiting import until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "atelier.json"
RUNBOOK = (ROOT / "docs" / "operating.md").read_text()
ALERTS = re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text())
DISCOVERY = 'dns_sd_configs: [{ names: ["atelier"], type: A, port: 8002, refresh_interval: 15s }]'

SELECTOR = re.compile(r"\b((?:nv|atelier|job\w*)[_:][\w:]+)(\{[^}]*\})?")
"""A metric in an expression, with its conditions."""
NEEDS_A_GPU = "nv_gpu_"

Ask = Callable[..., Any]


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed: apt-get install prometheus")
    return found


def promtool(*arguments: object) -> None:
    run = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_one():
    promtool("check", "config", "--lint-fatal", RULES / "prometheus.yml")


def test_every_alert_fires_when_it_should_and_no_sooner():
    promtool("test", "rules", RULES / "alerts.test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tried_and_explained(alert):
    tests = (RULES / "alerts.test.yml").read_text()
    assert re.search(rf"alertname: {alert}\n +exp_alerts:", tests)
    assert f"alertname: {alert} }}" in tests  # where all is well
    assert f"\n### {alert}\n" in RUNBOOK
    assert f"docs/operating.md#{alert.lower()}\n" in (RULES / "alerts.yml").read_text()


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_panels_of_the_dashboard_do_not_overlap():
    places = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """The models that count, around a network that has learnt nothing, under a little load."""
    path = tmp_path_factory.mktemp("repository")
    copy_code(path, "latents")
    write_style(path, IN_TWO_STYLES)
    write_stylize(path, IN_TWO_STYLES)
    with TritonServer(path) as running:
        stop = threading.Event()
        loading = threading.Thread(target=load, args=(running.grpc_url, stop))
        loading.start()
        yield running
        stop.set()
        loading.join()


def load(url: str, stop: threading.Event) -> None:
    seed = grpc.InferInput("seed", [1], "INT64")
    seed.set_data_from_numpy(np.array([7]))
    picture = data.chelsea()[:64, :64]
    with Client(url) as art, grpc.InferenceServerClient(url) as plain:
        while not stop.is_set():
            art.stylize(picture, "negative")
            plain.infer("latents", [seed])
            with pytest.raises(InvalidRequest):
                art.stylize(picture, "unknown")


@pytest.fixture(scope="module")
def prometheus(server: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a Prometheus that reads the server's metrics once a second."""
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copytree(RULES, folder, dirs_exist_ok=True)
    config = folder / "prometheus.yml"
    text = config.read_text()
    assert text.count(DISCOVERY) == 1
    assert text.count("_interval: 15s\n") == 2
    text = text.replace("_interval: 15s\n", "_interval: 1s\n")
    config.write_text(
        text.replace(DISCOVERY, f'static_configs: [{{ targets: ["{server.metrics_url}"] }}]')
    )
    address = f"127.0.0.1:{free_port('127.0.0.1')}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )

    def ask(path: str, **parameters: str) -> Any:
        url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url) as answer:
            return json.loads(answer.read())["data"]

    def works() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return bool(ask("query", query='up{job="atelier"} == 1')["result"])
        except OSError:
            return False

    try:
        until(works)
        yield ask
    finally:
        process.kill()
        process.wait()


def test_all_that_rules_alerts_and_dashboard_read_is_there(prometheus):
    groups = prometheus("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = [rule["name"] for rule in rules if rule["type"] == "recording"]
    shown = [
        target["expr"].replace("$job", "atelier").replace("$model", ".*")
        for panel in panels()
        for target in panel["targets"]
        if NEEDS_A_GPU not in target["expr"]
    ]
    assert len(recorded) >= 15
    assert len(shown) >= 15
    for query in (*recorded, *shown):
        until(lambda query=query: prometheus("query", query=query)["result"])

    read = [*(rule["query"] for rule in rules), *shown]
    selectors = {match[0] for query in read for match in SELECTOR.finditer(query)}
    assert len(selectors) >= 30
    missing = [each for each in selectors if not prometheus("series", **{"match[]": each})]
    assert not missing
    assert all(rule["health"] == "ok" for rule in rules), rules
