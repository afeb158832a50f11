"""Errors of publishing."""


class PublishError(Exception):
    """The models cannot be published; the repository is unchanged."""


class PlanError(Exception):
    """TensorRT builds no engine; what was published before stays."""


class ParityError(PublishError):
    """ONNX Runtime and PyTorch differ by more than the tolerance; nothing was published."""


class QualityError(PublishError):
    """A quantised network is too far from the one it was made of; nothing was published."""
