"""From dataclasses of settings to a command: every field is an option, see `settings`."""

import inspect
import logging
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal

import click

from atelier_export.publishing.errors import PublishError
from atelier_export.settings import Setting, setting_of


def settings_command(name: str, function: Callable[..., object]) -> click.Command:
    """A command that fills the dataclasses which a function takes, and calls it.

    The command's help is the function's docstring up to `Args:`. What the function returns is
    printed. OSError and ValueError become one line on standard error, exit code 1.

    Args:
        name: The command's name.
        function: Each of its parameters is annotated with a dataclass, whose fields become options;
            a field that is a dataclass itself gives its own fields.

    Raises:
        ValueError: Two of the dataclasses have a setting of the same name.
    """
    types = typing.get_type_hints(function)
    groups = {parameter: types[parameter] for parameter in inspect.signature(function).parameters}

    def run(**values: Any) -> None:
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
        )
        try:
            result = function(**{name: _filled(group, values) for name, group in groups.items()})
        except (OSError, ValueError, PublishError) as error:
            raise click.ClickException(str(error)) from error
        if result is not None:
            click.echo(result)

    parameters: list[click.Parameter] = []
    for group in groups.values():
        parameters += _parameters(group)
    names = [parameter.name for parameter in parameters]
    if doubled := {each for each in names if names.count(each) > 1}:
        raise ValueError(f"{function.__name__} has more than one setting {', '.join(doubled)}")
    return click.Command(
        name,
        callback=run,
        params=parameters,
        help=inspect.cleandoc(function.__doc__ or "").partition("\nArgs:")[0],
        context_settings={"show_default": True, "max_content_width": 100},
    )


def _settings_of(group: type) -> list[tuple[Field[Any], Any]]:
    """The fields of a dataclass that are settings or dataclasses, with their types."""
    types = typing.get_type_hints(group)
    return [(each, types[each.name]) for each in fields(group)]


def _parameters(group: type) -> list[click.Parameter]:
    parameters: list[click.Parameter] = []
    for each, kind in _settings_of(group):
        if is_dataclass(kind):
            parameters += _parameters(typing.cast(type, kind))
        elif (said := setting_of(each)) is not None:
            parameters.append(_parameter(each, kind, said))
    return parameters


def _parameter(each: Field[Any], kind: Any, said: Setting) -> click.Parameter:
    required = each.default is MISSING
    converted = _converted(kind, said)
    if said.positional:
        many = typing.get_origin(_without_none(kind)) is tuple
        return click.Argument(
            [each.name], type=converted, required=required, nargs=-1 if many else 1,
            metavar=said.metavar,
        )  # fmt: skip
    given: dict[str, Any] = {}
    if not required:
        given["default"] = (
            ",".join(each.default) or None if isinstance(each.default, tuple) else each.default
        )
    return click.Option(
        [f"--{each.name.replace('_', '-')}", *([said.short] if said.short else []), each.name],
        type=converted,
        required=required,
        is_flag=kind is bool,
        metavar=said.metavar,
        help=said.help,
        show_default=given.get("default") is not None and kind is not bool,
        **given,
    )


def _converted(kind: Any, said: Setting) -> "click.ParamType[Any]":
    """The type in which click reads a setting; ranges are told in its help and its errors."""
    kind = _without_none(kind)
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return _path(said) if said.positional else _Names(said)
    if kind is Path:
        return _path(said)
    if kind is int:
        return click.IntRange(_whole(said.minimum), _whole(said.maximum))
    if kind is float:
        return click.FloatRange(said.minimum, said.maximum, max_open=said.open_maximum)
    if kind is bool:
        return click.BOOL
    return click.Choice(said.allowed) if said.allowed else click.STRING


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (UnionType, typing.Union):
        (kind,) = (each for each in typing.get_args(kind) if each is not NoneType)
    return kind


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _path(said: Setting) -> "click.ParamType[Any]":
    exists = said.path in ("file", "folder", "either")
    return click.Path(
        path_type=Path,
        exists=exists,
        file_okay=said.path not in ("folder", "new_folder"),
        dir_okay=said.path not in ("file", "new_file"),
    )


@dataclass
class _Names(click.ParamType):  # type: ignore[type-arg]
    """A list of names with commas between them, each once."""

    said: Setting
    name = "name,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names in their order."""
        names = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else value
        try:
            self.said.check(param.name if param and param.name else self.name, names)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return tuple(names)


def _filled(group: type, values: dict[str, Any]) -> Any:
    """A dataclass made of the command line's values."""
    found = {}
    for each, kind in _settings_of(group):
        if is_dataclass(kind):
            found[each.name] = _filled(typing.cast(type, kind), values)
        elif values.get(each.name) is not None:
            found[each.name] = values[each.name]
    return group(**found)
