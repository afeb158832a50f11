"""The embedded Triton server: started, watched and stopped from Python."""

from atelier_serving.errors import CrashError, ReloadError, StartError, TritonError
from atelier_serving.reload import Reload
from atelier_serving.server import TritonServer

__all__ = ["CrashError", "Reload", "ReloadError", "StartError", "TritonError", "TritonServer"]
