"""A variational autoencoder that can be checked by eye, as a server's two models.

A latent has the mean colours of the four quarters of an image, each from 0 to 1; an image is four
quarters of one colour each. The deviation of every number is 0.1.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as messages

SIDE = 32
LENGTH = 2 * 2 * 3
DEVIATION = 0.1
MODELS = ("vae_encoder", "vae_decoder")


@dataclass
class Autoencoder:
    """What a server says and does as `vae_encoder` and `vae_decoder`."""

    max_batch_size: int = 3
    version: str = "1"
    side: int = SIDE

    def has(self, version: str) -> bool:
        return version in ("", self.version)

    def describe(self, config: Any) -> None:
        """Fills in the configuration of the model that it names."""
        config.max_batch_size = self.max_batch_size
        image = {"name": "image", "dims": [self.side, self.side, 3]}
        if config.name == "vae_encoder":
            config.input.add(**image)
            for name in ("mean", "log_variance"):
                config.output.add(name=name, dims=[LENGTH])
        else:
            config.input.add(name="latent", dims=[LENGTH])
            config.output.add(**image)

    def answer(self, request: Any) -> messages.ModelInferResponse:
        (tensor,), (raw,) = request.inputs, request.raw_input_contents
        batch = tensor.shape[0]
        assert 1 <= batch <= self.max_batch_size
        if request.model_name == "vae_encoder":
            assert (tensor.name, tensor.datatype) == ("image", "UINT8")
            means = encoded(np.frombuffer(raw, np.uint8).reshape(tensor.shape))
            log_variances = np.full_like(means, 2 * math.log(DEVIATION))
            outputs = {"mean": ("FP32", means), "log_variance": ("FP32", log_variances)}
        else:
            assert (tensor.name, tensor.datatype) == ("latent", "FP32")
            latents = np.frombuffer(raw, "<f4").reshape(tensor.shape)
            outputs = {"image": ("UINT8", decoded(latents, self.side))}
        return tensors_answer(request.model_name, outputs, self.version)


def encoded(images: np.ndarray) -> np.ndarray:
    """(B, N, N, 3) uint8 to (B, L)."""
    half = images.shape[1] // 2
    quarters = images.reshape(-1, 2, half, 2, half, 3).mean(axis=(2, 4))
    return (quarters / 255).reshape(-1, LENGTH).astype("<f4")


def decoded(latents: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(B, L) to (B, N, N, 3) uint8."""
    quarters = (latents.clip(0, 1) * 255).round().astype(np.uint8).reshape(-1, 2, 2, 3)
    return quarters.repeat(side // 2, axis=1).repeat(side // 2, axis=2)


def tensors_answer(
    model: str, outputs: dict[str, tuple[str, np.ndarray]], version: str = "1"
) -> messages.ModelInferResponse:
    response = messages.ModelInferResponse(model_name=model, model_version=version)
    for name, (datatype, tensor) in outputs.items():
        response.outputs.add(name=name, datatype=datatype, shape=tensor.shape)
        response.raw_output_contents.append(tensor.tobytes())
    return response
