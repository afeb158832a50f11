"""Settings, each defined once: a dataclass field holds default, range and help.

The checks below and the options of the command line (`commands.options`) are made from the fields.
A field with `allowed`, `minimum` or `maximum` refuses any other value, whatever its source.
"""

import math
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

PathKind = Literal["file", "folder", "either", "new_file", "new_folder"]
"""The kind of a path: an existing file or folder, or one to be written."""

_SETTING = "setting"


@dataclass(frozen=True)
class Setting:
    """The metadata of a field: help, allowed values, and its form on the command line.

    Attributes:
        help: One or two sentences for `--help`.
        minimum: Smallest value of a number.
        maximum: Largest value of a number.
        open_maximum: Whether `maximum` itself is refused.
        multiple_of: A number must be a multiple of it.
        allowed: The values that a string may have; None allows any.
        path: The kind of a path.
        metavar: The value's placeholder in `--help`.
        positional: Whether it is an argument of the command line, not an option.
        short: The short name of the option, such as `-o`.
    """

    help: str
    minimum: float | None = None
    maximum: float | None = None
    open_maximum: bool = False
    multiple_of: int | None = None
    allowed: tuple[str, ...] | None = None
    path: PathKind | None = None
    metavar: str | None = None
    positional: bool = False
    short: str | None = None

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError, with the setting's name and range, if the value is not allowed."""
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, (int, float)):
            self._check_number(name, value)
        elif self.allowed is not None:
            for each in (value,) if isinstance(value, str) else value:
                if each not in self.allowed:
                    raise ValueError(f"{name} must be {_alternatives(self.allowed)}, not {each!r}")

    def _check_number(self, name: str, value: float) -> None:
        too_small = self.minimum is not None and value < self.minimum
        too_large = self.maximum is not None and (
            value >= self.maximum if self.open_maximum else value > self.maximum
        )
        if too_small or too_large or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number{self._range()}, not {value}")
        if self.multiple_of and value % self.multiple_of:
            raise ValueError(f"{name} must be a multiple of {self.multiple_of}, not {value}")

    def _range(self) -> str:
        minimum = "" if self.minimum is None else f" from {self.minimum:g} up"
        if self.maximum is None:
            return minimum
        return f"{minimum} to {'less than ' if self.open_maximum else ''}{self.maximum:g}"


def setting(default: Any = MISSING, help: str = "", **properties: Any) -> Any:  # noqa: A002
    """A dataclass field with a `Setting` as metadata; without a default it is required."""
    return field(default=default, metadata={_SETTING: Setting(help, **properties)})


STRICT_SETTING: dict[str, Any] = {
    "default": False,
    "help": "Refuse images that cannot be decoded, instead of leaving them out.",
}
"""Of whatever trains on a folder of images."""


def setting_of(field: Any) -> Setting | None:
    """The `Setting` of a dataclass field, or None."""
    found: Setting | None = field.metadata.get(_SETTING)
    return found


class Settings:
    """A base for dataclasses of settings, which checks every value at construction."""

    def __post_init__(self) -> None:
        """Checks every field; raises ValueError for the first that is not allowed."""
        types = typing.get_type_hints(type(self))
        for each in fields(self):  # type: ignore[arg-type]
            metadata = setting_of(each)
            if metadata is None:
                continue
            if typing.get_origin(types[each.name]) is Literal:
                metadata = replace(metadata, allowed=typing.get_args(types[each.name]))
            metadata.check(each.name, getattr(self, each.name))


@dataclass(frozen=True)
class RunSettings(Settings):
    """Where a training runs and how often it reports; without effect on the weights.

    Attributes:
        output: Folder of the run; an interrupted run resumes there.
        device: A torch device.
        workers: Processes that decode images; 0 decodes in the training process.
        log_every: Steps between log lines.
        save_every: Steps between saved states.
        sample_every: Steps between sample sheets.
    """

    output: Path = setting(
        help="Folder of the run; an interrupted run resumes there.", path="new_folder"
    )
    device: str = setting("cpu", "A torch device: cpu, cuda.")
    workers: int = setting(0, "Processes that decode images.", minimum=0)
    log_every: int = setting(10, "Steps between log lines.", minimum=1)
    save_every: int = setting(100, "Steps between saved states.", minimum=1)
    sample_every: int = setting(500, "Steps between sample sheets.", minimum=1)


def _alternatives(values: Iterable[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last
