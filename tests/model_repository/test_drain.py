"""A server that is stopped while requests are on their way through the steps."""

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tritonclient import grpc

from atelier_serving import TritonServer
from fakes.waiting import until

REQUESTS = 8
GATED_NEGATIVE = """
import time
from pathlib import Path

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            while not Path(__file__).with_name("open").exists():
                time.sleep(0.005)
            image = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("stylized", 255 - image)]))
        return responses
"""


@pytest.fixture
def gated(repository: Path, tmp_path: Path) -> Path:
    """The image path around a network that paints once the file `open` lies beside its code."""
    path = shutil.copytree(repository, tmp_path / "gated", symlinks=True)
    config = path / "style" / "config.pbtxt"
    text = config.read_text()
    assert 'platform: "onnxruntime_onnx"' in text
    config.write_text(text.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))
    (path / "style" / "1" / "model.py").write_text(GATED_NEGATIVE)
    return path


def test_a_stopped_server_finishes_what_it_accepted(gated, connect, encoded):
    # Sizes of their own, so that no two pictures share a batch and none can pass for another.
    shapes = [(60 + number, 80, 3) for number in range(REQUESTS)]
    pictures = [np.random.default_rng(0).integers(0, 256, shape, np.uint8) for shape in shapes]
    files = [encoded(Image.fromarray(picture), "PNG") for picture in pictures]
    with (
        TritonServer(gated) as server,
        connect(server.grpc_url) as stylize,
        ThreadPoolExecutor(REQUESTS) as senders,
    ):
        answers = [senders.submit(stylize, file) for file in files]
        with grpc.InferenceServerClient(server.grpc_url) as client:
            until(lambda: _decoded(client) == REQUESTS)
            server.terminate()
            until(lambda: not client.is_model_ready("stylize"))
        assert not any(answer.done() for answer in answers)
        (gated / "style" / "1" / "open").touch()
        server.stop()
        assert all(answer.done() for answer in answers)
    for picture, answer in zip(pictures, answers, strict=True):
        with Image.open(io.BytesIO(answer.result())) as result:
            np.testing.assert_array_equal(np.asarray(result), 255 - picture)


def _decoded(client: grpc.InferenceServerClient) -> int:
    (statistics,) = client.get_inference_statistics("decode").model_stats
    return statistics.inference_stats.success.count
