"""Whole numbers among the parameters of a model's configuration."""

import json
from collections.abc import Mapping

ABOVE_0 = range(1, 2**31)


def read_whole_numbers(model_config: str, allowed: Mapping[str, range]) -> dict[str, int]:
    """Reads parameters of a configuration.

    Args:
        model_config: Triton's JSON of the configuration.
        allowed: The values that each parameter may have, by its name.

    Raises:
        ValueError: One is missing, no whole number or not allowed; the message names it.
    """
    parameters = json.loads(model_config)["parameters"]
    numbers = {}
    for name, values in allowed.items():
        text = parameters.get(name, {}).get("string_value", "")
        if not (text.isascii() and text.isdecimal() and int(text) in values):
            raise ValueError(
                f"parameter '{name}' in config.pbtxt must be a whole number from {values[0]} to "
                f"{values[-1]}, not '{text}'"
            )
        numbers[name] = int(text)
    return numbers
