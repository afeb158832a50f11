import ctypes

import pytest

from atelier_onnxruntime import gpu
from atelier_onnxruntime.parameters import ConfigError


class Driver:
    """Answers like the CUDA driver of a machine whose GPU 1 has compute capability 8.9."""

    def cuInit(self, flags):  # noqa: N802
        return 0

    def cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = 41 + number
        return 0 if number == 1 else 101

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = {75: 8, 76: 9}[attribute]
        return 0 if device.value == 42 else 101


def test_compute_capability(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert gpu.compute_capability(1) == "8.9"


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    with pytest.raises(ConfigError, match="GPU 3: error 101"):
        gpu.compute_capability(3)


def test_a_machine_without_a_driver_is_refused(monkeypatch):
    monkeypatch.setattr(gpu, "_DRIVER", "libcuda_of_no_machine.so.1")
    with pytest.raises(ConfigError, match="cc_model_filenames needs NVIDIA's driver"):
        gpu.compute_capability(0)
