"""What went wrong with a file, in one sentence without a secret, classed by what the caller does next."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from schema.errors import NotFound, Permanent, StoreUnavailable, TurnstileError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_WRONG = {errno.EINVAL, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EROFS}


@contextmanager
def classed(place: str, path: str = "") -> Iterator[None]:
    """Turn the errors of file systems and of S3 into ours.

    Args:
        place: the store, for people.
        path: the file within it, where one is meant.

    Raises:
        NotFound: the file is not there.
        StoreUnavailable: the store does not answer for now, or is full.
        Permanent: the bucket is not there, or the store refuses us.
    """
    try:
        yield
    except TurnstileError:
        raise
    except Exception as error:
        ours = _classed(error, place, path)
        if ours is None:
            raise
        raise ours from error


def _classed(error: Exception, place: str, path: str) -> TurnstileError | None:
    code = _s3_code(error)
    if type(error).__module__.partition(".")[0] in ("botocore", "aiohttp"):
        return _of_client(error, place)
    if code == "NoSuchBucket":
        return Permanent(f"{place} is not there: make it, or correct storage.url")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"file '{path}' is not in {place}")
    if isinstance(error, PermissionError):
        fix = f"({code}): correct storage.access_key and storage.secret_key" if code else "may not be used by this user"
        return Permanent(f"{place} refuses us {fix}" if code else f"{place} {fix}: change its owner or storage.url")
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return StoreUnavailable(f"{place} has no space left: make room, and it goes on")
        if error.errno in _WRONG:
            return Permanent(f"{place} does not take '{path}': {error.strerror or type(error).__name__}")
        return StoreUnavailable(f"{place} did not answer: {error.strerror or type(error).__name__}")
    return None


def _of_client(error: Exception, place: str) -> TurnstileError:
    """Errors of the S3 client itself, some of which are also OSErrors; folders do without importing it."""
    from botocore import exceptions as boto

    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return Permanent(f"{place} wants credentials: set storage.access_key and storage.secret_key")
    if isinstance(error, (boto.SSLError, boto.ParamValidationError)):
        return Permanent(f"{place} cannot be used ({type(error).__name__}): correct storage.endpoint, url or ca")
    return StoreUnavailable(f"{place} did not answer: {type(error).__name__}")


def _s3_code(error: Exception) -> str:
    """S3's own word for an error that s3fs has translated."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
