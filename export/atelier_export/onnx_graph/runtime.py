"""ONNX Runtime on the CPU, with its telemetry off; no other module here imports `onnxruntime`."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read while it is imported
import onnxruntime

RUNTIME = str(onnxruntime.__version__)
"""ONNX Runtime's version."""


def cpu_session(graph: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """An inference session of a graph on the CPU.

    Args:
        graph: An ONNX model.
        threads: Threads that work on one request; 0 takes one per core.

    Raises:
        ValueError: ONNX Runtime refuses the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class.
        raise ValueError(f"ONNX Runtime refuses the graph: {error}") from error
