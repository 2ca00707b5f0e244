"""Where a camera's pictures come from: shown in ``cameras.source`` without credentials, whole in ``source_sealed``.

``source_sealed`` is null where there is nothing to hide. The previous release knows ``source`` alone and writes whole
addresses there: what is sealed counts only while ``source`` is the same address without its credentials.
"""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from schema.crypto import CAMERA_SOURCE, keyring
from schema.sources import without_credentials
from schema.tables import CameraRow


def source_of(row: CameraRow) -> str:
    """The whole address.

    Raises:
        BadInput: the keys do not open it.
    """
    if row.source_sealed is None:
        return row.source
    opened = CAMERA_SOURCE.open(keyring(), row.source_sealed)
    return opened if without_credentials(opened) == row.source else row.source


def keep_source(row: CameraRow, source: str) -> bool:
    """Let the row hold this address, sealed if it carries credentials; False where it does so already.

    Raises:
        BadInput: there are no keys to seal with.
    """
    shown = without_credentials(source)
    hides = shown != source
    if row.source == shown and hides == (row.source_sealed is not None) and source_of(row) == source:
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
        BadInput: there are no keys to seal with, or they do not open what is there.
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
