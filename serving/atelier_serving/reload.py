"""Taking what is new in the model repositories while the server runs.

Triton 2.51 loads a new version beside the old one, which serves until the new one is ready. The
ensembles that the model is a step of stay open meanwhile. Two things it does not do well, so that
they are kept from it:

- If the new version does not fit an ensemble, Triton takes the ensemble out of service. And a load
  that fails may keep Triton from ending later. So what lies in the repositories is first tried out:
  a second server starts with it and takes no requests. If it does not start, or if a model's inputs
  or outputs have become others than those that it is called with, nothing is changed.
- Several models do not change in one moment. For a second or so, new versions of some serve beside
  old ones of others, so each version has to understand its neighbours' version before. That is why
  the styles of `style` and `stylize` are only ever appended.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from atelier_serving import repositories
from atelier_serving.errors import ReloadError, StartError
from atelier_serving.repositories import Contents
from atelier_supervisor.model_control import FAILURES, ModelControl, calls

RELOADED_AT = "reloaded_at"
"""The parameter that is added to a configuration to have a model loaded. Triton 2.51 does nothing
where no file is newer than what it has loaded, unless the configuration differs."""

Config = dict[str, Any]


@dataclass(frozen=True)
class Reload:
    """What a reload did.

    Attributes:
        repositories: Where it looked.
        loaded: The models that were new or changed, with the versions that serve now. Where an
            address is among the repositories, every model: what changed there cannot be seen.
        removed: The models that lay there no more, and are served no more.
    """

    repositories: Sequence[str]
    loaded: Mapping[str, Sequence[int]] = field(default_factory=dict)
    removed: Sequence[str] = ()

    def __str__(self) -> str:
        """One line, such as "reloaded: style version 2"."""
        news = [
            *(f"{model} version {_listed(versions)}" for model, versions in self.loaded.items()),
            *(f"{model} removed" for model in self.removed),
        ]
        if not news:
            return f"nothing new in {_listed(self.repositories)}"
        return f"reloaded: {_listed(news)}"


class Reloader:
    """Knows what of the repositories is served, and takes the rest."""

    def __init__(
        self,
        control: ModelControl,
        try_out: Callable[[], AbstractContextManager[ModelControl]],
        paths: Sequence[str],
        taken: Contents | None,
        stopping: Callable[[], bool],
    ) -> None:
        """Begins with a server that has just started.

        Args:
            control: What loads and unloads its models.
            try_out: Starts a second server of the repositories; raises StartError.
            paths: Its repositories: directories or addresses.
            taken: What lay in them before it was started; None if that is not known.
            stopping: Tells whether the server is to stop, so that nothing more may be loaded.
        """
        self._control = control
        self._try_out = try_out
        self._paths = paths
        self._taken = taken
        self._stopping = stopping

    def run(self) -> Reload:
        """Takes what is new; does nothing where nothing is.

        Raises:
            ReloadError: Something could not be taken, or the server stops.
        """
        try:
            found = repositories.contents(self._paths)
            if found is not None and found == self._taken:
                return Reload(self._paths)
            with self._try_out() as trial:
                new = _configs(trial)
            return self._take(new, found)
        except StartError as error:
            if self._stopping():
                raise ReloadError("the server is stopping") from None
            reason = str(error).replace("\n", " ")
            raise ReloadError(f"nothing was changed: tried out beforehand, {reason}") from None
        except FAILURES as error:
            if self._stopping():
                raise ReloadError("the server is stopping") from None
            raise ReloadError(f"Triton did not do what it was asked to: {error!r}") from None

    def _take(self, new: Mapping[str, Config], found: Contents | None) -> Reload:
        """Brings the server to the configurations that were tried out."""
        old = _configs(self._control)
        _check_steps(old, new)
        changed = [model for model in new if model not in old or self._differs(model, found)]
        removed = sorted(old.keys() - new.keys())
        # Models come behind those that they call, and go before them.
        for model in sorted(changed, key=lambda model: (bool(calls(new[model])), model)):
            self._load(model, new[model] if found is not None else None)
        for model in sorted(removed, key=lambda model: not calls(old[model])):
            self._check_running()
            self._control.unload(model)
        served = self._control.served()
        if missing := new.keys() - served.keys():
            raise ReloadError(f"Triton does not serve {_listed(sorted(missing))} any more")
        self._taken = found
        return Reload(self._paths, {model: served[model] for model in sorted(changed)}, removed)

    def _differs(self, model: str, found: Contents | None) -> bool:
        return found is None or self._taken is None or found.get(model) != self._taken.get(model)

    def _load(self, model: str, config: Config | None) -> None:
        self._check_running()
        if config:
            mark = {RELOADED_AT: {"string_value": str(time.time_ns())}}
            config = config | {"parameters": config["parameters"] | mark}
        self._control.load(model, config)

    def _check_running(self) -> None:
        if self._stopping():
            raise ReloadError("the server is stopping")


def _configs(control: ModelControl) -> dict[str, Config]:
    return {model: control.config(model) for model in control.served()}


def _check_steps(old: Mapping[str, Config], new: Mapping[str, Config]) -> None:
    """Refuses other inputs and outputs of a model that others call."""
    both = old.keys() & new.keys()
    for caller in both:
        for model in calls(old[caller]):
            if model in both and _tensors(old[model]) != _tensors(new[model]):
                raise ReloadError(
                    f"nothing was changed: model '{model}' has other inputs or outputs than those "
                    f"that '{caller}' is served with; restart the server to take it"
                )


def _tensors(config: Config) -> Any:
    """The names, types and shapes of a model's inputs and outputs."""
    return config["max_batch_size"] > 0, [
        sorted((tensor["name"], tensor["data_type"], tensor["dims"]) for tensor in config[side])
        for side in ("input", "output")
    ]


def _listed(parts: Sequence[object]) -> str:
    return ", ".join(map(str, parts))
