"""Requests to a real server that no client would send, and what it may answer."""

import random
import struct
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc

from fuzzing.mutations import INTERESTING, mutated

NAMES = ("image", "style", "latent", "seed", "", "é", "image\0", "x" * 300)
TYPES = ("BYTES", "UINT8", "FP32", "INT64", "BOOL", "BF16", "", "bytes", "UINT128")
SIZES = (0, 1, -1, 2, 3, 16, 2**31, 2**63 - 1, -(2**63))
VERSIONS = ("", "1", "2", "-1", "x", "9" * 40)
PARAMETERS = (
    "format", "quality", "strength", "keep_colors", "longest_side", "priority", "timeout",
    "sequence_id", "sequence_start", "shared_memory_region", "shared_memory_byte_size",
    "binary_data_output", "classification", "triton_enable_empty_final_response", "",
)  # fmt: skip
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
}
SECONDS = 60
ROUND = 200


def good(model: str, image: bytes, style: bytes) -> Any:
    """The request that a client sends."""
    request = messages.ModelInferRequest(model_name=model)
    for name, value in (("image", image), ("style", style)):
        request.inputs.add(name=name, datatype="BYTES", shape=[1, 1])
        request.raw_input_contents.append(struct.pack("<I", len(value)) + value)
    return request


def strange(model: str, images: Sequence[bytes], rng: random.Random) -> Any:
    """A request with one to four things that are not as they should be."""
    request = good(model, rng.choice(images), b"great_wave")
    for _ in range(rng.choice((1, 1, 2, 4))):
        tensor = rng.choice(request.inputs) if request.inputs else request.inputs.add()
        match rng.randrange(12):
            case 0:
                tensor.name = rng.choice(NAMES)
            case 1:
                tensor.datatype = rng.choice(TYPES)
            case 2:
                tensor.shape[:] = [rng.choice(SIZES) for _ in range(rng.randrange(5))]
            case 3:
                request.model_version = rng.choice(VERSIONS)
            case 4:
                request.raw_input_contents.append(rng.choice(INTERESTING))
            case 5 if request.raw_input_contents:
                del request.raw_input_contents[rng.randrange(len(request.raw_input_contents))]
            case 6 if request.raw_input_contents:
                at = rng.randrange(len(request.raw_input_contents))
                raw = request.raw_input_contents[at]
                request.raw_input_contents[at] = mutated(raw, images, rng)
            case 7 if request.raw_input_contents:
                # The length that a BYTES element says it has is another.
                at = rng.randrange(len(request.raw_input_contents))
                raw = request.raw_input_contents[at]
                said = struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1, len(raw))))
                request.raw_input_contents[at] = said + raw[4:]
            case 8:
                tensor.contents.bytes_contents.extend(rng.choices(INTERESTING, k=rng.randrange(4)))
            case 9:
                request.inputs.add().CopyFrom(tensor)
            case 10:
                _set(request.parameters[rng.choice(PARAMETERS)], rng)
                if rng.random() < 0.3:
                    _set(tensor.parameters[rng.choice(PARAMETERS)], rng)
            case 11:
                output = request.outputs.add(name=rng.choice(("stylized", *NAMES)))
                _set(output.parameters[rng.choice(PARAMETERS)], rng)
    return request


def _set(parameter: Any, rng: random.Random) -> None:
    match rng.randrange(4):
        case 0:
            parameter.string_param = rng.choice(("jpeg", "1e9", "", "\N{SNOWMAN}", "x" * 5000))
        case 1:
            parameter.int64_param = rng.choice(SIZES)
        case 2:
            parameter.bool_param = rng.random() < 0.5
        case 3:
            parameter.double_param = rng.choice((0.5, float("nan"), float("inf"), -1e300))


def fuzz_server(
    url: str, models: Sequence[str], images: Sequence[bytes], count: int, seed: int
) -> Counter[str]:
    """Sends strange requests to a server, and the good one again and again.

    Args:
        url: The address of gRPC.
        models: The models that are asked.
        images: Files; the first is right.
        count: How many strange requests there are.
        seed: The same requests for the same seed.

    Returns:
        How many were answered with each status.

    Raises:
        AssertionError: A status is none of `ALLOWED`, or the good request was answered otherwise
            than before. The message holds the request.
    """
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    with grpc.insecure_channel(url) as channel, ThreadPoolExecutor(4) as pool:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer

        def ask(request: Any) -> tuple[grpc.StatusCode, str]:
            try:
                infer(request, timeout=SECONDS)
            except grpc.RpcError as error:
                return error.code(), error.details() or ""
            return grpc.StatusCode.OK, ""

        right = good(models[0], images[0], b"great_wave")
        expected = infer(right, timeout=SECONDS).raw_output_contents
        for start in range(0, count, ROUND):
            requests = [
                strange(rng.choice(models), images, rng) for _ in range(min(ROUND, count - start))
            ]
            for request, (code, details) in zip(requests, pool.map(ask, requests), strict=True):
                shown = str(request)[:2000]
                assert code in ALLOWED, f"{code} {details}\n{shown}"
                assert "object at 0x" not in details, f"{details}\n{shown}"
                counts[code.name] += 1
            assert infer(right, timeout=SECONDS).raw_output_contents == expected
    return counts
