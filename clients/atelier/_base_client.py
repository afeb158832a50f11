"""What both clients are, short of sending and waiting."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from atelier._calls import Call
from atelier._errors import AtelierError, InvalidRequest, Overloaded, from_status
from atelier._hedging import Hedging
from atelier._retry_budget import RetryBudget
from atelier._retry_policy import RetryPolicy, UseClientDefault, checked_timeout
from atelier._throttle import Throttle
from atelier._transport import StatusError

Timeout = float | UseClientDefault | None


class BaseClient:
    """The settings of a client, its policy of retries, and its errors."""

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        timeout: float | None,
        retries: int | None,
        bulk: bool,
        hedge: bool,
    ) -> None:
        if retries is not None and retries < 0:
            raise ValueError(
                f"retries {retries}: give 0 or more, or None for as many as the timeout allows"
            )
        self.url = url if isinstance(url, str) else ",".join(url)
        self.timeout = checked_timeout(timeout)
        self.retries = retries
        self._bulk = bulk
        self._budget = RetryBudget()
        self._throttle = Throttle()
        self._hedging = Hedging(self._budget) if hedge else None
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, timeout={self.timeout})"

    def _retry_policy(self, timeout: Timeout) -> RetryPolicy:
        self._check_open()
        seconds = self.timeout if isinstance(timeout, UseClientDefault) else timeout
        return RetryPolicy(seconds, self.retries, self.url, self._budget)

    def _patient_policy(self, timeout: float | None) -> RetryPolicy:
        self._check_open()
        return RetryPolicy(timeout, None, self.url, self._budget)

    def _health_policy(self, wait: float) -> RetryPolicy:
        """Patient for as long as `wait`; 0 is one attempt within the client's own timeout."""
        self._check_open()
        if wait:
            return RetryPolicy(wait, None, self.url, self._budget)
        return RetryPolicy(self.timeout, 0, self.url, self._budget)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"{self!r} is closed; make a new one")

    @contextmanager
    def _named(self, policy: RetryPolicy) -> Iterator[None]:
        """Names the call in its error, unless that says that nothing was to be sent."""
        try:
            yield
        except AtelierError as error:
            if error.code is not None or not isinstance(error, InvalidRequest | Overloaded):
                error.request_id = policy.request_id
            raise

    @contextmanager
    def _attempt(self, call: Call[Any], policy: RetryPolicy) -> Iterator[None]:
        """Sending a request: not at all where it would be refused, and with errors of the client.

        Raises:
            Overloaded: The request is not to be sent.
            AtelierError: What its StatusError means.
        """
        # A queue that is too long for one timeout is not for twice that.
        patience = None if policy.timeout is None else math.frexp(policy.timeout)[1]
        kind = call.method, call.model, self._bulk, patience
        if not (policy.is_retrying or self._throttle.admits(kind)):
            raise Overloaded(
                f"the server at {self.url} has too much to do: it has just refused most requests "
                "like this one, which was not sent",
                model=call.model,
            )
        try:
            yield
        except StatusError as error:
            policy.failed_at(error.server, elsewhere=error.elsewhere)
            url = self.url if error.server is None else error.server.removeprefix("dns:///")
            failure = from_status(
                error.code, error.details, url=url, model=call.model or None,
                timeout=policy.timeout,
            )  # fmt: skip
            self._throttle.learn(kind, taken=not isinstance(failure, Overloaded))
            raise failure from error
        self._throttle.learn(kind, taken=True)
