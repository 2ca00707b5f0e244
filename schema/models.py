"""Detection models as the store knows them."""

from typing import Final, Literal, get_args

Status = Literal["registered", "active", "retired"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

LogType = Literal["activated", "retired", "refused", "fallback"]
"""``refused``: another model was asked for and could not be opened, so this one stayed. ``fallback``: this one was
opened because the one asked for could not be had."""
LOG_TYPES: Final[tuple[LogType, ...]] = get_args(LogType)
