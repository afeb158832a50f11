"""Ports and paths are the same in every recipe, and those of the server."""

import json
import re
from pathlib import Path

import yaml

from atelier_serving.commands import serve
from atelier_serving.options import SUMMARIES

DEPLOY = Path(__file__).parents[2] / "deploy"
DEFAULTS = {parameter.name: parameter.default for parameter in serve.params}
GRPC, METRICS = DEFAULTS["grpc_port"], DEFAULTS["metrics_port"]


def read(path):
    return yaml.safe_load((DEPLOY / path).read_text())


def test_images_expose_the_ports_of_the_server(dockerfile):
    for name in ("cpu.Dockerfile", "gpu.Dockerfile"):
        (exposed,) = [argument for kind, argument in dockerfile(name) if kind == "EXPOSE"]
        assert exposed == f"{GRPC} {METRICS}", name


def test_the_other_triton_listens_on_the_same_ports(dockerfile):
    text = (DEPLOY / "serve_triton.py").read_text()
    assert f'"--grpc-port={GRPC}"' in text
    assert f'"--metrics-port={METRICS}"' in text
    assert f"HTTP_PORT = {DEFAULTS['http_port']}\n" in text
    (health,) = [each for kind, each in dockerfile("gpu.Dockerfile") if kind == "HEALTHCHECK"]
    assert f"http://127.0.0.1:{DEFAULTS['http_port']}/" in health


def test_both_servers_keep_the_same_metrics():
    text = (DEPLOY / "serve_triton.py").read_text()
    assert f"SUMMARIES = {json.dumps(SUMMARIES)}".replace("[", "(").replace("]", ")") in text


def test_the_environment_of_the_cpu_image_is_that_of_the_command(dockerfile):
    instructions = dockerfile("cpu.Dockerfile")
    variables = " ".join(argument for kind, argument in instructions if kind == "ENV")
    for option in re.findall(r"ATELIER_SERVE_(\w+)=", variables):
        assert option.lower() in DEFAULTS
    (repository,) = re.findall(r"ATELIER_SERVE_MODEL_REPOSITORY=(\S+)", variables)
    assert ("COPY", f"model_repository {repository}") in instructions
    (command,) = [argument for kind, argument in instructions if kind == "ENTRYPOINT"]
    assert json.loads(command) == ["atelier", serve.name]


def test_pods_listen_where_the_images_do():
    deployment = read("kubernetes/base/deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": GRPC, "metrics": METRICS}
    (kserve,) = read("kserve/inference-service.yaml")["spec"]["predictor"]["containers"]
    assert kserve["ports"][0]["containerPort"] == GRPC
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == kserve[probe]["grpc"]["port"] == GRPC
    service = read("kubernetes/base/service.yaml")["spec"]
    assert {(port["targetPort"], port["port"]) for port in service["ports"]} == {*ports.items()}
    allowed = read("kubernetes/base/network-policy.yaml")["spec"]["ingress"]
    assert [rule["ports"] for rule in allowed] == [[{"port": "grpc"}], [{"port": "metrics"}]]


def test_compose_publishes_grpc_alone_and_mounts_what_is_there():
    services = read("compose.yaml")["services"]
    assert services["atelier"]["ports"] == [f"127.0.0.1:{GRPC}:{GRPC}"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).is_dir(), source
    (config,) = services["prometheus"]["command"]
    assert (DEPLOY / "prometheus" / Path(config).name).is_file()


def test_prometheus_finds_the_servers_by_the_name_that_they_have_everywhere():
    (scrape,) = read("prometheus/prometheus.yml")["scrape_configs"]
    (found,) = scrape["dns_sd_configs"]
    assert found["port"] == METRICS
    (name,) = found["names"]
    assert name in read("compose.yaml")["services"]
    service = read("kubernetes/base/service.yaml")
    assert (service["metadata"]["name"], service["spec"]["clusterIP"]) == (name, "None")


def test_the_autoscaler_reads_a_rule_that_there_is():
    rules = {
        rule["record"]
        for group in read("prometheus/rules.yml")["groups"]
        for rule in group["rules"]
    }
    (external,) = read("kubernetes/prometheus-adapter.yaml")["rules"]["external"]
    (name,) = re.findall(r"\bjob:\w+:\w+", external["metricsQuery"])
    assert name in rules
    assert name in external["seriesQuery"]
