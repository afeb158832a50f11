"""What a server says of shared memory when it starts."""

from types import SimpleNamespace

import pytest

from atelier_serving import shared_memory
from atelier_serving.shared_memory import shortage

MIB = 2**20


def config(mib, *groups):
    parameters = (
        {} if mib is None else {"max_shared_memory_bytes": {"string_value": str(mib * MIB)}}
    )
    return {"parameters": parameters, "instance_group": list(groups)}


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """64 MiB of shared memory, 24 MiB of it free."""
    status = SimpleNamespace(f_blocks=64, f_bavail=24, f_frsize=MIB)
    monkeypatch.setattr(shared_memory.os, "statvfs", lambda path: status)


def test_nothing_is_said_where_everything_fits():
    configs = [config(16, {"count": 2}), config(None, {"count": 100})]
    assert shortage(configs, 4 * MIB) is None


def test_a_shortage_is_told_with_what_to_do():
    configs = [config(100, {"count": 2}), config(50, {"count": 1, "gpus": [0, 1]})]
    assert shortage(configs, 4 * MIB) == (
        "warning: /dev/shm has 24 MiB left of 64 MiB, and the largest requests to these models may "
        "need 284 MiB more: those that do not fit are refused; give it 512 MiB "
        "(docker run --shm-size=512m)"
    )
