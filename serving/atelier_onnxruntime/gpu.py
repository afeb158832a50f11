"""What the CUDA driver says about a GPU. Held by unit tests; no GPU has run it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from atelier_onnxruntime.parameters import ConfigError

_DRIVER = "libcuda.so.1"
# CUdevice_attribute of the driver's interface.
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76


def compute_capability(device_id: int) -> str:
    """Returns the compute capability of a GPU, such as "8.9".

    Raises:
        ConfigError: There is no driver, or no GPU of that number.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError as error:
        raise ConfigError(
            f"cc_model_filenames needs NVIDIA's driver, and {_DRIVER} is not there: {error}"
        ) from error
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    calls: tuple[Callable[[], int], ...] = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), device_id),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device),
    )
    for call in calls:
        status = call()
        if status:
            raise ConfigError(f"the CUDA driver does not describe GPU {device_id}: error {status}")
    return f"{major.value}.{minor.value}"
