"""Commands from dataclasses of settings: every field is an option, see `settings`."""

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

HELP_OPTION: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
"""Part of the context settings of every command."""


def settings_command(name: str, function: Callable[..., object]) -> click.Command:
    """A command that fills a function's dataclasses from its options and calls the function.

    The command's help is the function's docstring up to `Args:`. The return value is printed.
    OSError, ValueError and PublishError become one line on standard error and exit code 1.

    Args:
        name: The command's name.
        function: Each of its parameters is annotated with a dataclass, whose fields become options;
            a field that is itself a dataclass contributes its own fields.

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
            result = function(**{name: _fill(group, values) for name, group in groups.items()})
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
        context_settings={"show_default": True, "max_content_width": 100, **HELP_OPTION},
    )


def _settings_of(group: type) -> list[tuple[Field[Any], Any]]:
    """The fields of a dataclass that are settings or dataclasses, with their types."""
    types = typing.get_type_hints(group)
    return [(each, types[each.name]) for each in fields(group)]


def _parameters(group: type) -> list[click.Parameter]:
    parameters: list[click.Parameter] = []
    for field, annotation in _settings_of(group):
        if is_dataclass(annotation):
            parameters += _parameters(typing.cast(type, annotation))
        elif (setting := setting_of(field)) is not None:
            parameters.append(_parameter(field, annotation, setting))
    return parameters


def _parameter(field: Field[Any], annotation: Any, setting: Setting) -> click.Parameter:
    required = field.default is MISSING
    parameter_type = _click_type(annotation, setting)
    if setting.positional:
        many = typing.get_origin(_without_none(annotation)) is tuple
        return click.Argument(
            [field.name], type=parameter_type, required=required, nargs=-1 if many else 1,
            metavar=setting.metavar,
        )  # fmt: skip
    given: dict[str, Any] = {}
    if not required:
        given["default"] = (
            ",".join(field.default) or None if isinstance(field.default, tuple) else field.default
        )
    short = [setting.short] if setting.short else []
    return click.Option(
        [f"--{field.name.replace('_', '-')}", *short, field.name],
        type=parameter_type,
        required=required,
        is_flag=annotation is bool,
        metavar=setting.metavar,
        help=setting.help,
        show_default=given.get("default") is not None and annotation is not bool,
        **given,
    )


def _click_type(annotation: Any, setting: Setting) -> "click.ParamType[Any]":
    """The click type of a setting, which shows its range in help and errors."""
    annotation = _without_none(annotation)
    if typing.get_origin(annotation) is Literal:
        return click.Choice(typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return _path(setting) if setting.positional else _Names(setting)
    if annotation is Path:
        return _path(setting)
    if annotation is int:
        return click.IntRange(_as_int(setting.minimum), _as_int(setting.maximum))
    if annotation is float:
        return click.FloatRange(setting.minimum, setting.maximum, max_open=setting.open_maximum)
    if annotation is bool:
        return click.BOOL
    return click.Choice(setting.allowed) if setting.allowed else click.STRING


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (UnionType, typing.Union):
        (annotation,) = (each for each in typing.get_args(annotation) if each is not NoneType)
    return annotation


def _as_int(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _path(setting: Setting) -> "click.ParamType[Any]":
    exists = setting.path in ("file", "folder", "either")
    return click.Path(
        path_type=Path,
        exists=exists,
        file_okay=setting.path not in ("folder", "new_folder"),
        dir_okay=setting.path not in ("file", "new_file"),
    )


@dataclass
class _Names(click.ParamType):  # type: ignore[type-arg]
    """A list of names, separated by commas, without repetitions."""

    setting: Setting
    name = "name,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names in their order."""
        names = tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else value
        try:
            self.setting.check(param.name if param and param.name else self.name, names)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return tuple(names)


def _fill(group: type, values: dict[str, Any]) -> Any:
    """A dataclass with the command line's values."""
    found = {}
    for field, annotation in _settings_of(group):
        if is_dataclass(annotation):
            found[field.name] = _fill(typing.cast(type, annotation), values)
        elif values.get(field.name) is not None:
            found[field.name] = values[field.name]
    return group(**found)
