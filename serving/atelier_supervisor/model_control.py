"""Triton's model control, over HTTP."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from atelier_supervisor.local_http import connection_to

ANSWER_SECONDS = 3.0
"""How long Triton may take to answer a question about its models."""


class RefusedError(ValueError):
    """Triton refused what it was asked; the message is its own."""


FAILURES = (RefusedError, OSError, http.client.HTTPException)
"""Why Triton did not do what it was asked to: it refused, or did not answer."""


def calls(config: dict[str, Any]) -> list[str]:
    """The models that a model's requests go on to.

    Those are the steps of an ensemble, or what the parameter `calls` of a configuration names,
    with commas between several: the code of a model may call others.
    """
    if "ensemble_scheduling" in config:
        return [step["model_name"] for step in config["ensemble_scheduling"]["step"]]
    named = config.get("parameters", {}).get("calls", {}).get("string_value", "")
    return [name.strip() for name in named.split(",") if name.strip()]


class ModelControl:
    """Triton's model control over HTTP, which takes the headers that open it.

    Every method raises one of `FAILURES` where Triton did not do what it was asked to.
    """

    def __init__(
        self, address: str, headers: Mapping[str, str], timeout: float = ANSWER_SECONDS
    ) -> None:
        """Prepares questions to Triton.

        Args:
            address: Where Triton's HTTP is, as `address:port` or `unix:path`.
            headers: What opens model control, and whatever else is closed.
            timeout: Seconds to wait for an answer.
        """
        self._address = address
        self._headers = dict(headers)
        self._timeout = timeout

    def is_ready(self) -> bool:
        """Whether Triton has loaded every model and takes requests."""
        try:
            self._ask("GET", "health/ready")
        except FAILURES:
            return False
        return True

    def index(self) -> list[dict[str, str]]:
        """What lies in the repositories: `name`, and `version` and `state` of what was loaded."""
        entries: list[dict[str, str]] = self._ask("POST", "repository/index")
        return entries

    def served(self) -> dict[str, list[int]]:
        """The versions that answer requests, by model; also of models that lie there no more."""
        versions: dict[str, list[int]] = {}
        for entry in self._ask("GET", "models/stats")["model_stats"]:
            versions.setdefault(entry["name"], []).append(int(entry["version"]))
        return versions

    def config(self, model: str) -> dict[str, Any]:
        """The configuration of a model as it is served."""
        config: dict[str, Any] = self._ask("GET", f"models/{model}/config")
        return config

    def load(self, model: str, config: dict[str, Any] | None = None) -> None:
        """Loads a model and returns once it is ready.

        What serves already and has not changed, by the newest time of its files and folders, stays
        as it is. What has changed takes the place of the old once it is ready, and the old one
        serves on if it never is. With an ensemble, Triton loads what has changed of its steps.

        Args:
            model: The model's name.
            config: The configuration to load it with, instead of its config.pbtxt.
        """
        parameters = {"parameters": {"config": json.dumps(config)}} if config else {}
        self._ask("POST", f"repository/models/{model}/load", parameters)

    def unload(self, model: str) -> None:
        """Has a model refuse new requests and, once it has answered those it has, go."""
        self._ask("POST", f"repository/models/{model}/unload")

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        connection = connection_to(self._address, self._timeout)
        try:
            connection.request(method, f"/v2/{path}", json.dumps(content or {}), self._headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status == http.client.OK:
            return json.loads(text) if text else None
        try:
            raise RefusedError(json.loads(text)["error"])
        except (json.JSONDecodeError, KeyError):
            raise RefusedError(f"{path}: HTTP status {answer.status}") from None
