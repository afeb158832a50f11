"""Which styles the network knows, in the order of its weight vector."""

import re
from pathlib import Path

from client_text import fold

_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_COMMENT = re.compile(rf"({_QUOTED})|#[^\n]*")
_STYLES = re.compile(
    rf"""key\s*:\s*["']styles["']\s*[,;]?\s*
    value\s*:?\s*[{{<]\s*string_value\s*:\s*((?:(?:{_QUOTED})\s*)+)""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def parse_names(text: str) -> tuple[str, ...]:
    """Reads a comma-separated list of style names such as "great_wave,udnie".

    Raises:
        ValueError: The list is empty, or a name is malformed or appears twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"'{name}' in parameter 'styles' is no style name: "
                "letters, digits, '_', '-' and '.' make one"
            )
    if len({fold(name) for name in names}) < len(names):
        raise ValueError(f"parameter 'styles' names a style twice: {text}")
    return names


def read_names(config: Path) -> tuple[str, ...]:
    """Reads parameter `styles` from another model's config.pbtxt.

    Raises:
        ValueError: The file cannot be read, or holds no such parameter, or a malformed one.
    """
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"cannot read the names of the styles from {config} ({error}): put the model 'style' "
            "beside this one, or set parameter 'styles' in the config.pbtxt of this model"
        ) from error
    # A '#' within quotes is text, so quoted strings are matched first and kept.
    match = _STYLES.search(_COMMENT.sub(lambda found: found[1] or "", text))
    if match is None:
        raise ValueError(
            f"{config} has no parameter 'styles': set it to the names of the styles, "
            "comma-separated, in the order of the network's weights"
        )
    # Text format joins adjacent strings.
    return parse_names("".join(part[1:-1] for part in re.findall(_QUOTED, match[1])))
