"""Taking what is new in the model repositories while the server runs."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from atelier_serving import log as triton_log
from atelier_serving import repositories
from atelier_serving.errors import ReloadError, StartError
from atelier_serving.process import SupervisedProcess
from atelier_serving.repositories import Contents
from atelier_serving.swap import Answers, Config, Swap
from atelier_supervisor.model_control import FAILURES, ModelControl, Stopped

MOST_LOADS = 5
"""How often one reload loads what changes meanwhile, before it opens what it has closed."""
LOG_SECONDS = 1.0
"""How long Triton's log may take to arrive behind Triton's answer."""
LOG_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Reload:
    """What a reload did.

    Attributes:
        repositories: Where it looked.
        loaded: The models that were new or changed, with the versions that serve now. Where an
            address is among the repositories, every model: what changed there cannot be seen.
        removed: The models that lay there no more, and are served no more.
        closed: The ensembles that refused requests meanwhile.
        seconds_closed: For how long they did.
    """

    repositories: Sequence[str]
    loaded: Mapping[str, Sequence[int]] = field(default_factory=dict)
    removed: Sequence[str] = ()
    closed: Sequence[str] = ()
    seconds_closed: float = 0.0

    def __str__(self) -> str:
        """One line, such as "reloaded: style version 2; stylize was closed for 2.1 s"."""
        news = [
            *(f"{model} version {_listed(versions)}" for model, versions in self.loaded.items()),
            *(f"{model} removed" for model in self.removed),
        ]
        if not news:
            return f"nothing new in {_listed(self.repositories)}"
        if not self.closed:
            return f"reloaded: {_listed(news)}"
        were = "was" if len(self.closed) == 1 else "were"
        seconds = f"{self.seconds_closed:.1f} s"
        return f"reloaded: {_listed(news)}; {_listed(self.closed)} {were} closed for {seconds}"


class Reloader:
    """Knows what of the repositories is served, and takes the rest."""

    def __init__(
        self,
        control: ModelControl,
        process: SupervisedProcess,
        paths: Sequence[str],
        taken: Contents | None,
        exit_timeout: float,
    ) -> None:
        """Begins with a server that has just started.

        Args:
            control: What loads and unloads its models.
            process: What tells its log.
            paths: Its repositories: directories or addresses.
            taken: What lay in them before it was started.
            exit_timeout: Seconds that an ensemble may take to answer what it has accepted.
        """
        self._control = control
        self._process = process
        self._paths = paths
        self._taken = taken
        self._exit_timeout = exit_timeout
        self._configs: dict[str, Config] = {}
        self._overridden: dict[str, int] = {}

    def run(self) -> Reload:
        """Takes what is new; does nothing where nothing is.

        Raises:
            ReloadError: Something could not be taken, or the server stops.
        """
        try:
            return self._take()
        except Stopped:
            raise ReloadError("the server is stopping") from None
        except FAILURES as error:
            raise ReloadError(_unwilling(error)) from None

    def _take(self) -> Reload:
        told = self._process.lines
        swap = Swap(self._control, self._configs, self._overridden, self._exit_timeout)
        failed: Answers = {}
        reasons: list[str] = []
        # Nothing that happens between closing and opening may keep an ensemble closed.
        try:
            failed = self._load(swap)
        except StartError as error:
            reasons = [str(error)]
        except FAILURES as error:
            reasons = [_unwilling(error)]
        not_opened = swap.open()
        if self._taken is not None:
            # Next time these are new.
            again = swap.not_loaded.union(not_opened)
            self._taken = {m: files for m, files in self._taken.items() if m not in again}
        reasons += self._reasons(failed | not_opened, told)
        if reasons:
            raise ReloadError("\n".join(reasons))
        return Reload(
            self._paths, swap.loaded(), sorted(swap.removed), swap.closed, swap.seconds_closed
        )

    def _load(self, swap: Swap) -> Answers:
        repositories.check(self._paths)
        found = repositories.contents(self._paths)
        for _ in range(MOST_LOADS):
            if failed := swap.load(self._taken, found):
                return failed
            self._taken = found
            # What is published meanwhile would be taken by ensembles that open, and not by others.
            found = repositories.contents(self._paths)
            if found == self._taken:
                return {}
        old, new = self._taken or {}, found or {}
        return {
            model: f"its files still change after {MOST_LOADS} loads; nothing may write into its "
            "folder while it loads"
            for model in sorted(old.keys() | new.keys())
            if old.get(model) != new.get(model)
        }

    def _reasons(self, answers: Mapping[str, str], told: int) -> list[str]:
        """Why models did not load, from Triton's answers and its log behind the line `told`."""
        end = time.monotonic() + LOG_SECONDS
        while True:
            lines = self._process.tail_since(told)
            reasons = [triton_log.why_not_loaded(*answer, lines) for answer in answers.items()]
            if all(reasons) or time.monotonic() > end:
                break
            time.sleep(LOG_POLL_SECONDS)
        return [reason or answer for reason, answer in zip(reasons, answers.values(), strict=True)]


def _listed(parts: Iterable[object]) -> str:
    return ", ".join(map(str, parts))


def _unwilling(error: Exception) -> str:
    return f"Triton did not do what it was asked to: {error!r}"
