"""The service with Prometheus and Grafana on one machine."""

from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = ("compose.yaml", "compose.gpu.yaml")


def services(name):
    return yaml.safe_load((DEPLOY / name).read_text())["services"]


@pytest.mark.parametrize("name", FILES)
def test_it_follows_the_specification_of_compose(name, module):
    specification = module("compose_spec")
    specification.PyCompose.from_yaml((DEPLOY / name).read_text()).validate()


def test_every_service_is_confined_and_reachable_from_this_machine_alone():
    for name, service in services("compose.yaml").items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name


def test_both_files_build_the_images_of_the_recipes():
    for file, kind in zip(FILES, ("cpu", "gpu"), strict=True):
        service = services(file)["atelier"]
        assert service["image"] == f"atelier:{kind}"
        assert service["build"]["dockerfile"] == f"deploy/{kind}.Dockerfile"
