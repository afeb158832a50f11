"""What can stand in the way of publishing."""


class PublishError(Exception):
    """The repository cannot take the models; nothing in it was changed."""


class ParityError(PublishError):
    """ONNX Runtime does not compute what PyTorch computes; nothing was published."""
