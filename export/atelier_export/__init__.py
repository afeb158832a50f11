"""Training, evaluation and export of the models that Atelier serves: PyTorch in, ONNX out."""
