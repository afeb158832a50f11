"""The network of a model in Python: another model of the repository, which this one calls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from common_options import OptionsError, read_version
from queued_model import FULL

NEWEST = -1
"""What Triton calls the newest version of a model."""

Arrays = dict[str, npt.NDArray[Any]]


class NetworkError(Exception):
    """The network did not answer.

    Attributes:
        code: Triton's.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CalledNetwork:
    """A network that a configuration names.

    Its parameter `calls` is the name, and `network_version`, which may be missing, the version that
    is called unless a request asks for another.
    """

    def __init__(self, utils: Any, parameters: Mapping[str, Any]) -> None:
        """Reads the parameters of Triton's model configuration.

        Args:
            utils: The module `triton_python_backend_utils`.
            parameters: The parameters.

        Raises:
            ValueError: One is missing or unusable.
        """
        self._utils = utils
        texts = {name: value["string_value"] for name, value in parameters.items()}
        pinned = texts.get("network_version")
        self._version = read_version(pinned) if pinned else NEWEST
        self._name = texts.get("calls", "")
        if not self._name:
            raise ValueError(
                "config.pbtxt has no parameter 'calls': set it to the name of the network"
            )

    def run(
        self, request: Any, version: int | None, inputs: Arrays, outputs: Sequence[str]
    ) -> Arrays:
        """Calls the network for a request.

        Args:
            request: Triton's, whose id, trace and time the call has too.
            version: Which the request asks for, or None.
            inputs: By name, batch first.
            outputs: Their names.

        Returns:
            The outputs, batch first.

        Raises:
            NetworkError: It gave none.
            OptionsError: There is no such version.
        """
        utils = self._utils
        response = utils.InferenceRequest(
            model_name=self._name,
            model_version=version or self._version,
            request_id=request.request_id(),
            requested_output_names=list(outputs),
            inputs=[utils.Tensor(name, each) for name, each in inputs.items()],
            timeout=request.timeout(),
            trace=request.trace(),
            preferred_memory=utils.PreferredMemory(utils.TRITONSERVER_MEMORY_CPU),
        ).exec()
        if response.has_error():
            message, code = response.error().message(), response.error().code()
            if version and "is not ready" in message:
                raise OptionsError(
                    f"network_version {version} is not served: leave it out, or use one that is"
                )
            if FULL in message:  # Triton passes it on as a fault.
                message, code = FULL, utils.TritonError.UNAVAILABLE
            raise NetworkError(message, code)
        return {
            name: utils.get_output_tensor_by_name(response, name).as_numpy() for name in outputs
        }
