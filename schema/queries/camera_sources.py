"""Where a camera's pictures come from: shown in ``cameras.source`` without credentials, whole in ``source_sealed``.

``source_sealed`` is null where there is nothing to hide. The previous release knows ``source`` alone and writes whole
addresses there: what is sealed counts only while ``source`` is the same address without its credentials.
"""

from functools import lru_cache

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from schema.crypto import CAMERA_SOURCE, keyring
from schema.errors import BadInput
from schema.sources import without_credentials
from schema.tables import CameraRow

_log = structlog.get_logger(__name__)


def source_of(row: CameraRow) -> str:
    """The whole address. Where the keys do not open it, the one without credentials, and the log says why.

    One camera whose key is lost must not hide the others.
    """
    return _opened(row) or row.source


def keep_source(row: CameraRow, source: str) -> bool:
    """Let the row hold this address, sealed if it carries credentials; False where it does so already.

    What the keys do not open stays when the address is given back as ``source_of`` gave it.

    Raises:
        BadInput: there are no keys to seal with.
    """
    shown = without_credentials(source)
    hides = shown != source
    if row.source == shown and hides == (row.source_sealed is not None) and source_of(row) == source:
        return False
    if row.source_sealed is not None and row.source == source and _opened(row) is None:
        return False
    row.source = shown
    row.source_sealed = CAMERA_SOURCE.seal(keyring(), source) if hides else None
    return True


def seal_plain_sources(session: Session, *, after_id: int, limit: int) -> tuple[int | None, int]:
    """Seal what the previous release wrote in the clear, removed cameras' too.

    Args:
        session: in a transaction; the rows stay locked until it ends.
        after_id: 0, or the number that the call before gave.
        limit: how many rows to look at.

    Returns:
        The number to go on after (None: that was all), and how many were sealed.

    Raises:
        BadInput: there are no keys to seal with.
    """
    may_show_more = or_(CameraRow.source.contains("@"), CameraRow.source.contains("="))
    rows = session.scalars(
        select(CameraRow)
        .where(CameraRow.id > after_id, may_show_more)
        .order_by(CameraRow.id)
        .limit(limit)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    sealed = sum(keep_source(row, source_of(row)) for row in rows)
    session.flush()
    return (rows[-1].id if len(rows) == limit else None), sealed


def _opened(row: CameraRow) -> str | None:
    """What is sealed, if it is this row's address still and the keys open it."""
    if row.source_sealed is None:
        return None
    try:
        opened = CAMERA_SOURCE.open(keyring(), row.source_sealed)
    except BadInput as error:
        _report(row.id, str(error))
        return None
    return opened if without_credentials(opened) == row.source else row.source


@lru_cache(maxsize=1024)
def _report(camera_id: int, reason: str) -> None:
    """Once, though cameras are listed every second."""
    _log.error("A camera's address cannot be opened and is used without credentials", camera=camera_id, reason=reason)
