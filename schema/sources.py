"""Where pictures come from: telling a live source from a file, and keeping its password out of sight."""

import re

from schema.errors import BadInput

_LIVE = ("rtsp://", "rtsps://", "http://", "https://")
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<userinfo>[^/?#\s]*)@", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"(?P<name>[?&](?:\w*(?:pass|passwd|password|pwd|token|secret|apikey|api_key|key|auth|signature|sig)))=[^&#\s]*",
    re.IGNORECASE,
)


def is_live(source: str) -> bool:
    """Whether the source is a stream from a network; everything else is the path of a file."""
    return source.lower().startswith(_LIVE)


def check_source(source: str) -> None:
    """Refuse what can be neither a stream nor a file. Whether it is there is found out when it is opened.

    Raises:
        BadInput: names the fix; the source itself is not repeated, as it may hold a password.
    """
    if not source or not source.isprintable():
        raise BadInput("a source is empty or has a sign that does not print: give a URL or the path of a video file")
    if "://" in source and not is_live(source):
        raise BadInput("a source is an rtsp, rtsps, http or https URL, or the path of a video file")


def redact(url: str) -> str:
    """The text with user name, password and secret query parameters of every URL in it replaced by ``***``.

    Works on whole messages too, so that the words of a library may be passed on.
    """
    return _SECRET_PARAMETER.sub(r"\g<name>=***", _USERINFO.sub(r"\g<scheme>***@", url))


def without_credentials(source: str) -> str:
    """The address with user name, password and the values of secret query parameters left out; a path as it is.

    It still says which camera it is, and may be stored and shown as it is.
    """
    return _SECRET_PARAMETER.sub(r"\g<name>=", _USERINFO.sub(r"\g<scheme>", source))
