"""Fetches published YOLO weights by name, once, into the user's cache."""

import re
import tempfile
from pathlib import Path

import httpx

from schema.errors import BadInput

_PUBLISHED = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_NAME = re.compile(r"yolo(v?\d+)[a-z]{1,2}u?\.pt")
_TIMEOUT = httpx.Timeout(10.0, connect=4.0)


def is_published_name(model: str) -> bool:
    """Whether this is the bare name of published detection weights, such as ``yolo11n.pt``."""
    return _NAME.fullmatch(model) is not None


def fetch_weights(name: str, folder: Path) -> Path:
    """Give the path of published weights, fetching them if they are not in ``folder`` yet.

    Gives up within seconds where the network does not answer. A file is complete or absent.

    Raises:
        BadInput: they could not be fetched.
    """
    target = folder / name
    if target.is_file():
        return target
    url = f"{_PUBLISHED}/{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            part = Path(scratch) / name
            with httpx.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer, part.open("wb") as file:
                answer.raise_for_status()
                for block in answer.iter_bytes():
                    file.write(block)
            part.replace(target)
    except (httpx.HTTPError, OSError) as exc:
        raise BadInput(
            f"weights '{name}' could not be fetched from {url} ({_reason(exc)}): "
            "download them by hand and give their path, or use the model 'ssdlite'"
        ) from exc
    return target


def _reason(exc: Exception) -> str:
    if isinstance(exc, httpx.HTTPStatusError):
        return f"HTTP status {exc.response.status_code}"
    return str(exc) or type(exc).__name__
