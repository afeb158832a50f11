"""Triton model configurations from template files."""

from pathlib import Path
from string import Template


def triton_config(template: Path, **values: object) -> str:
    """The text of a config.pbtxt.

    Args:
        template: A text file with `$name` where a value belongs.
        values: The values by name.

    Raises:
        KeyError: The template names a value that is missing.
    """
    return Template(template.read_text(encoding="utf-8")).substitute(values)
