"""The thin client of Atelier: images, their styles and their movements over gRPC."""

from importlib.metadata import version as _version

from atelier._access import Tls
from atelier._async_client import AsyncClient
from atelier._bulk.many import BulkResult
from atelier._canary import Canary
from atelier._classify import Classification, Label
from atelier._client import Client
from atelier._errors import (
    AtelierError,
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    NotAllowed,
    Overloaded,
    ServerFailed,
    Unreachable,
)
from atelier._extras import DISTRIBUTION as _DISTRIBUTION
from atelier._fill import MaskSource
from atelier._images import ImageFormat, ImageSource
from atelier._posterior import Posterior
from atelier._retry_policy import USE_CLIENT_DEFAULT
from atelier._statistics import ModelStatistics
from atelier._status import ModelStatus, ServerStatus
from atelier._styles import Style

__all__ = [
    "USE_CLIENT_DEFAULT",
    "AsyncClient",
    "AtelierError",
    "BulkResult",
    "Canary",
    "Classification",
    "Client",
    "DeadlineExceeded",
    "Draining",
    "ImageFormat",
    "ImageSource",
    "InvalidRequest",
    "Label",
    "MaskSource",
    "ModelStatistics",
    "ModelStatus",
    "NotAllowed",
    "Overloaded",
    "Posterior",
    "ServerFailed",
    "ServerStatus",
    "Style",
    "Tls",
    "Unreachable",
]

__version__ = _version(_DISTRIBUTION)
