"""Writes down which model counts, since when, and what was asked for in vain. Counting never waits for it."""

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from schema.database import across_tenants, open_engine
from schema.errors import StoreUnavailable
from schema.ports import DetectorSpec
from schema.queries import models
from schema.sources import redact
from serve_app.detector.choose import AUTO, SSDLITE

log = structlog.get_logger(__name__)


def note_opened(dsn: str, spec: DetectorSpec, *, asked: str, now_ns: int) -> None:
    """A model was opened for what was asked, and counts from now on.

    Args:
        dsn: where to write.
        spec: the model; its name is ``name@version``, or a name alone.
        asked: what the settings or a person named.
        now_ns: the time.
    """
    name, _, version = spec.model.partition("@")
    config = {"asked": asked, "width": spec.width, "height": spec.height, "keep_aspect": spec.keep_aspect}

    def write(session: Session) -> None:
        model_id = models.register(session, name=name, version=version, config=config)
        is_new = models.activate(session, model_id, now_ns=now_ns)
        if is_new and asked == AUTO and name == SSDLITE:
            models.log(session, model_id, "fallback", "The configured YOLO weights could not be fetched", now_ns=now_ns)

    _write(dsn, write)


def note_refused(dsn: str, *, asked: str, reason: str, now_ns: int) -> None:
    """A model could not be opened, so the one that counts stays; before the first there is none to tell it of."""

    def write(session: Session) -> None:
        staying = models.active(session)
        if staying is not None:
            message = redact(f"'{asked}' could not be opened: {reason}")
            models.log(session, staying.id, "refused", message, now_ns=now_ns)

    _write(dsn, write)


def _write(dsn: str, write: Callable[[Session], None]) -> None:
    engine = open_engine(dsn, pool_size=1)
    try:
        with across_tenants(engine) as session:
            write(session)
    except StoreUnavailable as error:
        log.warning("What happened to the model could not be written down", error=str(error))
    finally:
        engine.dispose()
