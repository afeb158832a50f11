"""Settings that are written once: a dataclass field holds default, range and help.

The checks below and the options of the command line (`commands.options`) are made from the fields.
A field with `allowed`, `minimum` or `maximum` refuses any other value, wherever it comes from.
"""

import math
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

PathKind = Literal["file", "folder", "either", "new_file", "new_folder"]
"""What a path names: something that exists, or something to be written."""

_SETTING = "setting"


@dataclass(frozen=True)
class Setting:
    """What a field says about itself.

    Attributes:
        help: One or two sentences for `--help`.
        minimum: Least value of a number.
        maximum: Largest value of a number.
        open_maximum: Whether `maximum` itself is refused.
        multiple_of: A number must be a multiple of it.
        allowed: The values that a text may have; None allows any.
        path: What a path names.
        metavar: How `--help` calls the value.
        positional: Whether the command line takes it by its place, not by its name.
        short: A second name of the option, such as `-o`.
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
        """Raises ValueError, which names the setting and says what it may be."""
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, (int, float)):
            self._check_number(name, value)
        elif self.allowed is not None:
            for each in (value,) if isinstance(value, str) else value:
                if each not in self.allowed:
                    raise ValueError(f"{name} must be {_either(self.allowed)}, not {each!r}")

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
        least = "" if self.minimum is None else f" from {self.minimum:g} up"
        if self.maximum is None:
            return least
        return f"{least} to {'less than ' if self.open_maximum else ''}{self.maximum:g}"


def setting(default: Any = MISSING, help: str = "", **properties: Any) -> Any:  # noqa: A002
    """A dataclass field with what a `Setting` says about it; without a default it is required."""
    return field(default=default, metadata={_SETTING: Setting(help, **properties)})


def setting_of(each: Any) -> Setting | None:
    """What a dataclass field was given by `setting`, or None."""
    found: Setting | None = each.metadata.get(_SETTING)
    return found


class Settings:
    """A base for dataclasses of settings: every value is checked when one is made."""

    def __post_init__(self) -> None:
        """Checks every field; raises ValueError for the first that cannot be used."""
        types = typing.get_type_hints(type(self))
        for each in fields(self):  # type: ignore[arg-type]
            said = setting_of(each)
            if said is None:
                continue
            if typing.get_origin(types[each.name]) is Literal:
                said = replace(said, allowed=typing.get_args(types[each.name]))
            said.check(each.name, getattr(self, each.name))


@dataclass(frozen=True)
class RunSettings(Settings):
    """Where a training runs and how often it reports; without effect on the weights.

    Attributes:
        output: Folder of the run; a training that was interrupted there goes on.
        device: A torch device.
        workers: Processes that decode images; 0 decodes between the steps.
        log_every: Steps from one line of the log to the next.
        save_every: Steps from one saved state to the next.
        sample_every: Steps from one sample sheet to the next.
    """

    output: Path = setting(
        help="Folder of the run; a run that was interrupted there goes on.", path="new_folder"
    )
    device: str = setting("cpu", "A torch device: cpu, cuda.")
    workers: int = setting(0, "Processes that decode images.", minimum=0)
    log_every: int = setting(10, "Steps from one line of the log to the next.", minimum=1)
    save_every: int = setting(100, "Steps from one saved state to the next.", minimum=1)
    sample_every: int = setting(500, "Steps from one sample sheet to the next.", minimum=1)


def _either(values: Iterable[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last
