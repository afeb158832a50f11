"""ONNX graphs: export, parity with PyTorch, ONNX Runtime, cost."""
