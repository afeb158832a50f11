"""What can go wrong with the embedded server."""


class TritonError(RuntimeError):
    """The embedded server failed; the message says why and what to do."""


class StartError(TritonError):
    """The server did not become ready: a broken model, a port in use, a missing directory."""


class CrashError(TritonError):
    """The server ended although nobody had asked it to, or could not finish its requests."""


class ReloadError(TritonError):
    """What is new in the model repository could not be served; the message says why."""
