"""Values of a model's configuration, which Triton hands over as strings.

A value is read as the C++ backend reads it, so that a configuration means the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]
"""A Triton model configuration as parsed JSON."""

DEFAULT_MAX_BATCH_SIZE = 4
"""What Triton gives a model that can batch and whose configuration does not say how far."""

DEFAULT_MAX_BATCH_SIZE_VARIABLE = "ATELIER_ONNXRUNTIME_DEFAULT_MAX_BATCH_SIZE"
"""The variable that sets another; the embedded server makes it of `--backend-config`."""

_TRUE = frozenset({"true", "on", "1"})
_FALSE = frozenset({"false", "off", "0"})
# The C++ backend reads leading digits and leaves the rest: "2.0" is 2.
_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")


class ConfigError(ValueError):
    """The model must not be loaded: its configuration asks for what cannot be honoured."""


def parse_integer(key: str, value: str) -> int:
    """Reads a whole number.

    Raises:
        ConfigError: `value` does not begin with digits.
    """
    match = _LEADING_INTEGER.match(value)
    if match is None:
        raise ConfigError(f"parameter '{key}' is '{value}'; give a whole number")
    return int(match[1])


def parse_boolean(key: str, value: str) -> bool:
    """Reads a switch: true, on, 1 or false, off, 0, in any case.

    Raises:
        ConfigError: `value` is none of them.
    """
    word = value.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConfigError(f"parameter '{key}' is '{value}'; give true, on, 1 or false, off, 0")


def default_max_batch_size(environment: Mapping[str, str]) -> int:
    """Returns the batch size of models that can batch and do not say how far."""
    value = environment.get(DEFAULT_MAX_BATCH_SIZE_VARIABLE, str(DEFAULT_MAX_BATCH_SIZE))
    return parse_integer(DEFAULT_MAX_BATCH_SIZE_VARIABLE, value)


def string_parameter(config: Config, key: str) -> str | None:
    """Returns the string value of the configuration's parameter `key`, None if it is not set."""
    entry = config.get("parameters", {}).get(key)
    return None if entry is None else str(entry.get("string_value", ""))


def integer_parameter(config: Config, key: str, default: int) -> int:
    """Returns parameter `key` as a whole number, `default` if it is not set."""
    value = string_parameter(config, key)
    return default if value is None else parse_integer(key, value)


def boolean_parameter(config: Config, key: str, default: bool) -> bool:
    """Returns parameter `key` as a switch, `default` if it is not set."""
    value = string_parameter(config, key)
    return default if value is None else parse_boolean(key, value)


def execution_accelerators(config: Config, processor: str) -> list[Config]:
    """Returns the accelerators that the configuration lists for `processor`, "cpu" or "gpu"."""
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    listed: list[Config] = accelerators.get(f"{processor}_execution_accelerator", [])
    return listed
