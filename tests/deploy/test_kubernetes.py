"""The manifests, rendered as `kubectl apply --kustomize` renders them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = {"cpu": "cpu", "cpu-nvidia": "gpu", "gpu": "gpu"}
"""The overlays, and the images that they run."""
KSERVE = ROOT / "deploy" / "kserve" / "inference-service.yaml"
VERSIONS = ("1.30.0", "1.37.0")
"""The oldest and the newest Kubernetes that the manifests are checked against."""
UNITS = {"Mi": 2**20, "Gi": 2**30}


@pytest.fixture(scope="session")
def render(program):
    """Renders a folder: the resources by kind."""

    def rendered(folder):
        command = [program("kubectl"), "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n(kubectl 1.27 or newer is needed)"
        return {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}

    return rendered


@pytest.fixture
def overlay(render):
    return lambda name: render(KUBERNETES / "overlays" / name)


@pytest.fixture
def with_component(render, tmp_path):
    """An overlay with a component."""

    def rendered(name, component):
        folder = tmp_path / "kubernetes"
        shutil.copytree(KUBERNETES, folder)
        with (folder / "overlays" / name / "kustomization.yaml").open("a") as file:
            file.write(f"components: [../../components/{component}]\n")
        return render(folder / "overlays" / name)

    return rendered


def pod_of(resources):
    return resources["Deployment"]["spec"]["template"]["spec"]


def read(path):
    return yaml.safe_load(path.read_text())


def pods():
    """Of the base and of KServe, without kubectl."""
    deployment = read(KUBERNETES / "base" / "deployment.yaml")
    return [
        ("base", deployment["spec"]["template"]["spec"]),
        ("kserve", read(KSERVE)["spec"]["predictor"]),
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_kubernetes_takes_every_field(name, version, overlay, module):
    validate = module("kubernetes_validate").validate
    resources = overlay(name)
    assert {"Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"} <= {*resources}
    for resource in resources.values():
        validate(resource, version, strict=True)


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_token_comes_from_a_secret(name, with_component, overlay, module):
    resources = with_component(name, "token")
    for resource in resources.values():
        module("kubernetes_validate").validate(resource, VERSIONS[-1], strict=True)
    (container,), (without,) = (pod_of(each)["containers"] for each in (resources, overlay(name)))
    variables = {entry["name"]: entry["value"] for entry in container["env"]}
    assert {entry["name"] for entry in without.get("env", [])} < {*variables}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert variables["ATELIER_SERVE_TOKEN_FILE"] == f"{mounts['token']}/token"
    assert {mount["name"] for mount in without["volumeMounts"]} < {*mounts}
    (volume,) = (each for each in pod_of(resources)["volumes"] if each["name"] == "token")
    assert volume["secret"] == {"secretName": "atelier-token"}


def test_keda_scales_by_what_the_autoscaler_does(with_component, overlay):
    with_keda = with_component("cpu", "keda")
    assert "HorizontalPodAutoscaler" not in with_keda
    keda, autoscaler = with_keda["ScaledObject"]["spec"], overlay("cpu")["HorizontalPodAutoscaler"]
    autoscaler = autoscaler["spec"]
    assert (keda["minReplicaCount"], keda["maxReplicaCount"]) == (
        autoscaler["minReplicas"],
        autoscaler["maxReplicas"],
    )
    behavior = keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == autoscaler["behavior"]
    queue, cpu = keda["triggers"]
    external, resource = autoscaler["metrics"]
    assert (
        external["external"]["target"]["value"]
        == f"{float(queue['metadata']['threshold']):g}"[2:].ljust(3, "0").lstrip("0") + "m"
    )
    assert resource["resource"]["target"]["averageUtilization"] == int(cpu["metadata"]["value"])
    (rule,) = read(KUBERNETES / "prometheus-adapter.yaml")["rules"]["external"]
    assert rule["metricsQuery"] == queue["metadata"]["query"]
    assert rule["name"]["as"] == external["external"]["metric"]["name"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays_run_the_image_of_their_kind_as_its_user(name, overlay, dockerfile):
    pod, image = pod_of(overlay(name)), OVERLAYS[name]
    (user,) = [argument for kind, argument in dockerfile(f"{image}.Dockerfile") if kind == "USER"]
    assert f"{pod['securityContext']['runAsUser']}:" in f"{user}:"
    assert pod["containers"][0]["image"].endswith(f":{image}")
    assert pod["containers"][0]["resources"]["requests"].keys() >= {"cpu", "memory"}
    assert "memory" in pod["containers"][0]["resources"]["limits"]


@pytest.mark.parametrize("name", ["cpu", "cpu-nvidia"])
def test_a_limit_on_the_cores_is_whole(name, overlay):
    # The embedded server has as many threads as whole cores, and the kubelet gives whole ones.
    resources = pod_of(overlay(name))["containers"][0]["resources"]
    assert resources["limits"]["cpu"] == resources["requests"]["cpu"]
    assert resources["limits"]["cpu"].isdecimal()


def test_the_kubelet_gives_cores_to_a_pod_whose_requests_are_its_limits(overlay):
    resources = pod_of(overlay("cpu-nvidia"))["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"]


def test_gpus_serve_by_configurations_that_every_network_has(overlay):
    (container,) = pod_of(overlay("gpu"))["containers"]
    compose = read(ROOT / "deploy" / "compose.gpu.yaml")["services"]["atelier"]["environment"]
    assert container["env"] == [{"name": name, "value": value} for name, value in compose.items()]
    assert (
        ROOT / "model_repository" / "style" / "configs" / f"{compose['ATELIER_MODEL_CONFIG']}.pbtxt"
    ).exists()


def test_engines_are_kept_where_the_configurations_say(overlay):
    resources = overlay("gpu")
    pod = pod_of(resources)
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert mounts["engines"] == "/engines"
    assert claims == {"engines": resources["PersistentVolumeClaim"]["metadata"]["name"]}


@pytest.mark.parametrize(("name", "pod"), pods())
def test_pods_are_confined(name, pod):
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    written = {mounts[volume["name"]] for volume in pod["volumes"] if "emptyDir" in volume}
    assert written == {"/tmp", "/dev/shm"}


@pytest.mark.parametrize(("name", "pod"), pods())
def test_the_grace_is_enough_for_the_drain(name, pod):
    (_, seconds) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    program = (ROOT / "deploy" / "serve_triton.py").read_text()
    (drain,) = re.findall(r"^EXIT_TIMEOUT_SECONDS = (\d+)$", program, re.MULTILINE)
    # The drain, what Triton takes to end afterwards, and a margin.
    assert int(seconds) + int(drain) + 5 <= pod["terminationGracePeriodSeconds"]
    for file in ("compose.yaml", "systemd/atelier.service"):
        text = (ROOT / "deploy" / file).read_text()
        (grace,) = re.findall(r"(?:stop_grace_period: |TimeoutStopSec=)(\d+)", text)
        assert int(drain) + 5 <= int(grace), file


def config(name):
    text = (ROOT / "model_repository" / name / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize(("name", "pod"), pods())
def test_the_shared_memory_holds_the_largest_requests_to_all_models(name, pod):
    needed = 0
    for path in (ROOT / "model_repository").glob("*/config.pbtxt"):
        model = config(path.parent.name)
        instances = sum(max(1, group.count) for group in model.instance_group)
        largest = model.parameters["max_shared_memory_bytes"].string_value or 4 * 2**20
        needed += instances * int(largest)
    (volume,) = [each for each in pod["volumes"] if each["emptyDir"].get("medium") == "Memory"]
    size = volume["emptyDir"]["sizeLimit"]
    assert needed <= int(size[:-2]) * UNITS[size[-2:]]
    compose = read(ROOT / "deploy" / "compose.yaml")["services"]["atelier"]
    assert needed <= int(compose["shm_size"].removesuffix("gb")) * UNITS["Gi"]


def test_kserve_runs_the_pod_of_the_cpu_overlay(overlay):
    ours, kserve = pod_of(overlay("cpu")), read(KSERVE)["spec"]["predictor"]
    (container,), (own,) = kserve["containers"], ours["containers"]
    for key in ("image", "resources", "securityContext", "lifecycle", "volumeMounts"):
        assert container[key] == own[key], key
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe] == own[probe], probe
    assert kserve["volumes"] == ours["volumes"]
    assert kserve["securityContext"] == ours["securityContext"]


def test_the_systemd_unit_is_right_and_confined(program, tmp_path):
    text = (ROOT / "deploy" / "systemd" / "atelier.service").read_text()
    unit = tmp_path / "atelier.service"
    # Its program is installed elsewhere.
    unit.write_text(text.replace("/opt/atelier/bin/atelier", shutil.which("true") or ""))
    analyze = program("systemd-analyze")
    # It complains of other units on machines that systemd did not start.
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert "atelier.service" not in done.stderr, done.stderr
    limit = ["security", "--offline=true", "--threshold=20", unit]
    environment = {**os.environ, "SYSTEMD_PAGER": ""}
    subprocess.run([analyze, *limit], check=True, stdout=subprocess.DEVNULL, env=environment)
