"""A generator whose every image can be foretold, as a server's models `latents` and `generate`.

The first three numbers of a latent are an image's colour in its upper half: 0 is grey, -1 black, 1
white. The lower half has a level for each movement.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from tritonclient.grpc import service_pb2 as messages

from fakes.autoencoder import tensors_answer

SIDE = 8
LENGTH = 6
MODELS = ("latents", "generate")
MOVEMENTS = ("cubism", "ukiyo_e", "naive_art")
TRUNCATION = 2.0
MAX_SEED = 2**63 - 1
NETWORK_VERSION = 3


class RefusedError(Exception):
    """Why a request is refused."""


@dataclass
class Generator:
    """What a server says and does as `latents` and `generate`."""

    max_count: int = 4
    movements: Sequence[str] = MOVEMENTS

    def describe(self, config: Any) -> None:
        """Fills in the configuration of the model that it names."""
        config.max_batch_size = 0
        if config.name == "generate":
            for name, value in {
                "movements": ",".join(self.movements),
                "latent_length": LENGTH,
                "max_count": self.max_count,
                "truncation": TRUNCATION,
            }.items():
                config.parameters[name].string_value = str(value)

    def answer(self, request: Any) -> messages.ModelInferResponse:
        """Raises RefusedError where the server would refuse the request."""
        inputs = self._inputs(request)
        latents, indices = self._drawn(inputs, _parameters(request))
        name = inputs.get("movement", b"").decode().strip().lower()
        name = name.replace(" ", "_").replace("-", "_")
        if name and name not in self.movements:
            raise RefusedError(
                f"movement {name!r} is unknown; there are {', '.join(self.movements)}"
            )
        if request.model_name == "latents":
            return tensors_answer("latents", {"latents": ("FP32", latents)})
        chosen = [
            self.movements.index(name) if name else index % len(self.movements) for index in indices
        ]
        encoding = _parameters(request).get("format", "png")
        return images_answer(
            [
                encoded(painted(latent, movement), encoding)
                for latent, movement in zip(latents, chosen, strict=True)
            ]
        )

    def _inputs(self, request: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
            shape = list(tensor.shape)
            match tensor.name, tensor.datatype, shape:
                case "seed", "INT64", [1]:
                    (found["seed"],) = struct.unpack("<q", raw)
                case "movement", "BYTES", [1]:
                    assert struct.unpack_from("<I", raw) == (len(raw) - 4,)
                    found["movement"] = raw[4:]
                case "latent", "FP32", [_, _]:
                    found["latent"] = np.frombuffer(raw, "<f4").reshape(shape)
                case _:
                    raise AssertionError(f"{tensor.name} is {tensor.datatype} {shape}")
        return found

    def _drawn(
        self, inputs: dict[str, Any], parameters: dict[str, Any]
    ) -> tuple[np.ndarray, Sequence[int]]:
        """The latents, and the index of each in its seed."""
        assert set(parameters) <= {
            "count", "first", "truncation", "format", "quality", "network_version", "bulk",
            "timeout", "priority",
        }  # fmt: skip
        if "latent" in inputs:
            latents = inputs["latent"]
            if "seed" in inputs or {"count", "first", "truncation"} & set(parameters):
                raise RefusedError("give a seed or latents, not both")
            if latents.shape[1] != LENGTH or not np.isfinite(latents).all():
                raise RefusedError(f"latents need {LENGTH} finite numbers")
            indices = range(len(latents))
        else:
            seed = inputs.get("seed", 0)
            truncation = parameters.get("truncation", TRUNCATION)
            first, count = parameters.get("first", 0), parameters.get("count", 1)
            indices = range(first, first + count)
            if not 0 <= seed <= MAX_SEED or not 0 < truncation <= 4 or first < 0:
                raise RefusedError(f"out of range: {seed=}, {truncation=}, {first=}")
            latents = latents_of(seed, indices, truncation)
        if not 1 <= len(latents) <= self.max_count:
            raise RefusedError(f"count {len(latents)}: give 1 to {self.max_count}")
        return latents, indices


def latents_of(seed: int, indices: Sequence[int], truncation: float = TRUNCATION) -> np.ndarray:
    """(count, Z) float32, between plus and minus `truncation`."""
    draws = [np.random.default_rng([seed, index]).uniform(-1, 1, LENGTH) for index in indices]
    return (truncation / 4 * np.stack(draws)).astype("<f4")


def painted(latent: np.ndarray, movement: int) -> np.ndarray:
    """(N, N, 3) uint8."""
    colour = ((latent[:3].clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    image = np.full((SIDE, SIDE, 3), 50 * movement, np.uint8)
    image[: SIDE // 2] = colour
    return image


def encoded(pixels: np.ndarray, encoding: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, encoding)
    return buffer.getvalue()


def images_answer(files: Sequence[bytes]) -> messages.ModelInferResponse:
    response = messages.ModelInferResponse(model_name="generate", model_version="1")
    longest = max(map(len, files), default=0)
    lengths = np.array([len(file) for file in files], "<i4").reshape(-1, 1)
    response.outputs.add(name="images", datatype="UINT8", shape=[len(files), longest])
    response.raw_output_contents.append(b"".join(file.ljust(longest, b"\0") for file in files))
    response.outputs.add(name="lengths", datatype="INT32", shape=lengths.shape)
    response.raw_output_contents.append(lengths.tobytes())
    response.outputs.add(name="network_version", datatype="INT64", shape=[1])
    response.raw_output_contents.append(struct.pack("<q", NETWORK_VERSION))
    return response


def _parameters(request: Any) -> dict[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice"))
        for name, value in request.parameters.items()
    }
