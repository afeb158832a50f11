"""The protocol's file in the repository: the same protocol, and enough to call the models with."""

import os
import re
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from PIL import Image
from tritonclient.grpc import service_pb2

from fakes.style_network import write_style, write_stylize
from fakes.triton import serving

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "clients" / "proto" / "kserve_v2.proto"
PAGE = ROOT / "docs" / "other-languages.md"
STYLES = {"great_wave": (0, 1)}
"""The style that inverts an image."""


def protoc(*arguments):
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO.parent}", *arguments]
    subprocess.run([*command, PROTO.name], check=True)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The file's descriptor."""
    compiled = tmp_path_factory.mktemp("compiled") / "descriptors"
    protoc(f"--descriptor_set_out={compiled}")
    files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    return pool.AddSerializedFile(files.file[0].SerializeToString()) or pool.FindFileByName(
        PROTO.name
    )


def fields(message):
    """What of a message's fields is on the wire, with those of the messages in it."""
    own = {
        (
            field.name,
            field.number,
            field.type,
            field.has_presence,
            field.GetOptions().packed,
            field.message_type.full_name if field.message_type else "",
            field.containing_oneof.name if field.containing_oneof else "",
        )
        for field in message.fields
    }
    return {message.full_name: own} | {
        name: inner for nested in message.nested_types for name, inner in fields(nested).items()
    }


def test_every_message_is_that_of_the_protocol(ours):
    theirs = service_pb2.DESCRIPTOR.message_types_by_name
    assert ours.package == service_pb2.DESCRIPTOR.package
    for name, message in ours.message_types_by_name.items():
        assert fields(message) == fields(theirs[name])


def test_every_call_is_that_of_the_protocol(ours):
    (service,) = ours.services_by_name.values()
    theirs = service_pb2.DESCRIPTOR.services_by_name[service.name].methods_by_name
    assert {"ModelInfer", "ModelMetadata"} <= set(service.methods_by_name)
    for name, method in service.methods_by_name.items():
        assert method.input_type.full_name == theirs[name].input_type.full_name
        assert method.output_type.full_name == theirs[name].output_type.full_name


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("repository")
    write_style(repository, STYLES)
    write_stylize(repository, STYLES)
    with serving(repository) as running:
        yield running


@pytest.fixture
def photo(tmp_path):
    """Noise, which no format makes smaller, so that a PNG of it is above gRPC's 4 MiB."""
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1500, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.jpg", quality=95)
    with Image.open(tmp_path / "photo.jpg") as opened:
        return np.asarray(opened)


def example(server, **replaced):
    """The page's example, for this server."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for old, new in {"localhost:8001": server.grpc_url, **replaced}.items():
        assert old in code
        code = code.replace(old, new)
    return code


def run(code, folder):
    protoc(f"--python_out={folder}", f"--grpc_python_out={folder}")
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True)


def test_the_example_gets_an_answer_above_the_limit(server, photo, tmp_path):
    ran = run(example(server), tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "wave.png").stat().st_size > 4 * 2**20
    with Image.open(tmp_path / "wave.png") as painted:
        np.testing.assert_array_equal(np.asarray(painted), 255 - photo)


def test_without_the_option_the_answer_is_refused(server, photo, tmp_path):
    ran = run(example(server, **{"2**28": "2**22"}), tmp_path)
    assert ran.returncode != 0
    assert grpc.StatusCode.RESOURCE_EXHAUSTED.name in ran.stderr
