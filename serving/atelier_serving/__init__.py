"""The embedded Triton server: started, watched and stopped from Python."""

from atelier_serving.errors import CrashError, StartError, TritonError
from atelier_serving.server import TritonServer

__all__ = ["CrashError", "StartError", "TritonError", "TritonServer"]
