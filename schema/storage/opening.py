"""From the settings to a store: what an address means, and what is wrong with it."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec

from schema.errors import BadInput
from schema.settings import StorageSettings
from schema.storage.store import FsspecStore

CONNECT_S = 3
SILENCE_S = 15
_FORMS = "write it like file:///var/lib/turnstile/files or s3://bucket/prefix"


def open_storage(settings: StorageSettings) -> FsspecStore:
    """The store that the settings name; nothing is connected or made yet.

    Raises:
        BadInput: the address has another form.
    """
    url = urlsplit(settings.url)
    if url.scheme == "file" and url.path.startswith("/") and not url.netloc:
        folder = unquote(url.path).rstrip("/") or "/"
        return FsspecStore(fs=fsspec.filesystem("file"), root=folder, place=f"folder {folder}", local=Path(folder))
    if url.scheme == "s3" and url.hostname and not url.query and "@" not in url.netloc:
        root = f"{url.netloc}{url.path}".rstrip("/")
        where = urlsplit(settings.endpoint).netloc.rpartition("@")[2] if settings.endpoint else "Amazon"
        return FsspecStore(fs=_s3(settings), root=root, place=f"bucket '{url.netloc}' at {where}", local=None)
    raise BadInput(f"storage.url is neither a folder nor a bucket: {_FORMS}")


def _s3(settings: StorageSettings) -> Any:
    """s3fs, without a memory of listings: another process may have written what it did not see."""
    verify = {} if settings.ca is None else {"verify": str(settings.ca)}
    return fsspec.filesystem(
        "s3",
        key=settings.access_key,
        secret=settings.secret_key,
        endpoint_url=settings.endpoint,
        use_listings_cache=False,
        client_kwargs={"region_name": settings.region, **verify},
        config_kwargs={
            "connect_timeout": CONNECT_S,
            "read_timeout": SILENCE_S,
            "retries": {"total_max_attempts": 2},
            "s3": {"addressing_style": "path"},
        },
    )
