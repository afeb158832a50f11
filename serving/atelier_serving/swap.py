"""The models of a running server, brought from one state of the repositories to another.

Triton swaps one model well: it loads the new version beside the old one, which serves until the new
one is ready, and serves on if it never is. It does not swap several in one moment. Models that work
together in an ensemble may not fit one another until the last of them is loaded, and what a Python
model read in its neighbours' folders as it loaded is out of date. Hence this order:

1. Ensembles that something changes in are closed: they answer what they have accepted, and refuse
   the rest ("has no available versions") until the end.
2. What changed is loaded.
3. The Python models beside it are loaded anew, though their own files are as they were.
4. What was not there before is loaded, and the ensembles are opened.

If something fails in the first three steps, everything goes back to the version that it had. Two
things cannot go back: what changed within the folder of a version, for the old files are no more,
and what a Python model has read. That is why the third step comes so late. An ensemble that does
not open behind it, or whose other models have to go back, stays closed, rather than answer wrongly.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from typing import Any

from atelier_serving.repositories import Contents, newest, same_version
from atelier_supervisor.model_control import FAILURES, ModelControl

PARALLEL_LOADS = 4
"""As many as Triton loads at once. Each holds one of its eight HTTP threads."""
STAGGER_SECONDS = 0.1
"""Between the beginnings of two loads. Connections of the same moment may get the same thread of
Triton, where one load waits for the other."""
CLOSING_POLL_SECONDS = 0.02
LOADED_ANEW = "loaded_anew"
"""The parameter that is added to a configuration to have a model loaded anew. Triton 2.51 does
nothing where a model's files are as they were, unless its configuration differs in more than
versions and instances."""

Answers = dict[str, str]
"""What Triton said to what it did not do, by the name of the model; empty if all was done."""
Config = dict[str, Any]


class Swap:
    """One change of models: `load`, perhaps again for what was published meanwhile, then `open`."""

    def __init__(
        self,
        control: ModelControl,
        configs: dict[str, Config],
        overridden: dict[str, int],
        exit_timeout: float,
    ) -> None:
        """Prepares a change.

        Args:
            control: What loads and unloads models.
            configs: The configurations that models were last served with. Kept from one change to
                the next: only they tell what an ensemble is made of that stayed closed.
            overridden: When models were last loaded with a configuration other than their file's,
                in nanoseconds since 1970. Kept from one change to the next: Triton takes only
                files for changed that are newer than that.
            exit_timeout: Seconds that an ensemble may take to answer what it has accepted.
        """
        self._control = control
        self._configs = configs
        self._overridden = overridden
        self._exit_timeout = exit_timeout
        self._steps: dict[str, set[str]] = {}
        self._served: set[str] = set()
        self._changed: set[str] = set()
        self._new: set[str] = set()
        self._anew: set[str] = set()
        self._as_before: set[str] = set()
        self._unfit: set[str] = set()
        self._failed = False
        self._closed_at = 0.0
        self.closed: list[str] = []
        """The ensembles that were closed, each behind those that it is made of."""
        self.seconds_closed = 0.0
        self.removed: set[str] = set()
        """Models that were served and lie in no repository any more."""
        self.not_loaded: set[str] = set()
        """New models, and ensembles that were removed, that are not served since others failed."""

    def load(self, old: Contents | None, new: Contents | None) -> Answers:
        """Loads what differs between two states of the repositories, and closes ensembles for it.

        Args:
            old: What is served; None if that is not known.
            new: What lies there; None if that is not known, and everything may have changed.

        Returns:
            What failed; what was served before goes on then.

        Raises:
            RefusedError, OSError, HTTPException: Triton did not tell what it serves; nothing was
                changed since the last `load`.
        """
        served = self._control.served()
        self._configs |= {model: self._control.config(model) for model in served}
        self._served = set(served)
        self._steps = _steps(self._configs)
        present = {entry["name"] for entry in self._control.index()}
        changed = {model for model in present if _differs(old, new, model)}
        self.removed = self._configs.keys() - present
        affected = _affected(self._steps, changed | self.removed)
        beside = {
            model
            for ensemble in affected
            for model in self._steps[ensemble] & served.keys()
            if self._configs[model]["backend"] == "python"
        }
        single = (changed & served.keys()) - self._steps.keys()
        unseen = {model for model in single if not self._is_seen(old, new, model, beside)}

        holes = self._holes(changed)
        failed = (
            holes
            or self._close([ensemble for ensemble in affected if ensemble in served])
            or self._each(single, lambda model: self._load(model, unload=model in unseen))
            or self._each(beside - changed - self.removed, self._load_anew)
        )
        if not failed:
            self._changed |= changed
            self._new |= changed.difference(served, self.closed)
            return {}
        self._failed = True
        self.not_loaded, self._new = self._new, set()
        if holes and not self.closed:
            return holes
        self._as_before = changed & self._steps.keys()
        # What was loaded anew may have read what goes back now.
        self._unfit = {*affected}.intersection(_affected(self._steps, self._anew))
        before = {model: served[model] for model in single}
        going_back = {model for model in single if _can_go_back(old, new, model, before[model])}
        failed |= self._each(going_back, lambda model: self._go_back(model, before[model]))
        return failed

    def _holes(self, changed: set[str]) -> Answers:
        return {
            ensemble: f"its step '{step}' is gone from the repository"
            for ensemble in self._steps.keys() - changed - self.removed
            for step in self._steps[ensemble] & self.removed
        }

    def _is_seen(
        self, old: Contents | None, new: Contents | None, model: str, beside: set[str]
    ) -> bool:
        """Whether Triton sees by itself that a model has to be loaded."""
        if old is None or new is None:
            return model not in beside and model not in self._overridden
        last = max(newest(old.get(model, {})), self._overridden.get(model, 0))
        return newest(new.get(model, {})) > last

    def _close(self, ensembles: Sequence[str]) -> Answers:
        """Closes ensembles, each before those that it is made of."""
        self._closed_at = self._closed_at or time.monotonic()
        for ensemble in reversed(ensembles):
            # Noted before: what Triton did not answer to, it may have done.
            self.closed.insert(0, ensemble)
            try:
                self._control.unload(ensemble)
                end = time.monotonic() + self._exit_timeout
                while self._is_closing(ensemble):
                    if time.monotonic() > end:
                        limit = f"{self._exit_timeout:g} s"
                        return {ensemble: f"requests that it has accepted take longer than {limit}"}
                    time.sleep(CLOSING_POLL_SECONDS)
            except FAILURES as error:
                return {ensemble: str(error)}
        return {}

    def _is_closing(self, ensemble: str) -> bool:
        return any(
            entry["name"] == ensemble and entry.get("state") == "UNLOADING"
            for entry in self._control.index()
        )

    def _each(self, models: Iterable[str], act: Callable[[str], None]) -> Answers:
        """Does something with several models, side by side."""
        tasks: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(PARALLEL_LOADS) as pool:
            for model in sorted(models):
                if tasks:
                    time.sleep(STAGGER_SECONDS)
                tasks[model] = pool.submit(act, model)
        answers = {}
        for model, task in tasks.items():
            try:
                task.result()
            except FAILURES as error:
                answers[model] = str(error)
        return answers

    def _load(self, model: str, *, unload: bool = False) -> None:
        if unload:
            self._control.unload(model)
        self._control.load(model)
        self._overridden.pop(model, None)

    def _load_anew(self, model: str) -> None:
        config = self._configs[model]
        mark = {LOADED_ANEW: {"string_value": str(time.time_ns())}}
        self._load_as(model, config | {"parameters": config["parameters"] | mark})
        self._anew.add(model)

    def _go_back(self, model: str, versions: Sequence[int]) -> None:
        """Has a model served as before, also if it still is: an ensemble would load the new one."""
        policy = {"specific": {"versions": list(versions)}}
        self._load_as(model, self._configs[model] | {"version_policy": policy})

    def _load_as(self, model: str, config: Config) -> None:
        self._control.load(model, config)
        self._overridden[model] = time.time_ns()

    def open(self) -> Answers:
        """Loads what is new, opens the ensembles, and unloads what is in no repository any more.

        What is new in a `load` that failed is left alone, and nothing is unloaded then.

        Returns:
            What failed.
        """
        failed = self._each(self._new, self._load)
        for ensemble in self.closed:
            if ensemble not in self.removed:
                failed |= self._open(ensemble)
        if self.closed:
            self.seconds_closed = time.monotonic() - self._closed_at
        if self._failed:
            self.not_loaded |= self.removed.intersection(self.closed)
        else:
            unloaded = (self.removed & self._served).difference(self.closed)
            failed |= self._each(unloaded, self._control.unload)
            for model in self.removed.difference(failed):
                del self._configs[model]
        return failed

    def _open(self, ensemble: str) -> Answers:
        if ensemble in self._unfit:
            return {ensemble: "its models may not fit one another - it stays closed"}
        before = self._configs[ensemble]
        answers = []
        for config in [before] if ensemble in self._as_before else [None, before]:
            try:
                # To the end: opened unseen while the server stops, it would not be drained.
                self._control.load(ensemble, config, to_the_end=True)
                break
            except FAILURES as error:
                answers.append(str(error))
        else:
            answers[0] += " - it stays closed"
        return {ensemble: answers[0]} if answers else {}

    def loaded(self) -> dict[str, list[int]]:
        """The models that were new or changed, with the versions that serve now."""
        served = self._control.served()
        return {model: served[model] for model in sorted(self._changed & served.keys())}


def _differs(old: Contents | None, new: Contents | None, model: str) -> bool:
    return old is None or new is None or old.get(model) != new.get(model)


def _can_go_back(
    old: Contents | None, new: Contents | None, model: str, versions: Sequence[int]
) -> bool:
    """Whether the folders of the versions are as they were, as far as that is known."""
    if old is None or new is None:
        return True
    one, other = old.get(model, {}), new.get(model, {})
    return all(same_version(one, other, version) for version in versions)


def _steps(configs: Mapping[str, Config]) -> dict[str, set[str]]:
    """The models that each ensemble is made of."""
    return {
        model: {step["model_name"] for step in config["ensemble_scheduling"]["step"]}
        for model, config in configs.items()
        if "ensemble_scheduling" in config
    }


def _affected(steps: Mapping[str, set[str]], changed: set[str]) -> list[str]:
    """The ensembles that are or contain what changed, each behind those that it is made of."""
    affected: list[str] = []
    for model in TopologicalSorter(steps).static_order():
        if model in steps and ({model} | steps[model]) & changed.union(affected):
            affected.append(model)
    return affected
