"""What a worker is given to do: handlers, opened in its own process, and what is requested periodically."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actors.jobs.schedule import Periodic
from actors.jobs.task import Handler
from schema.jobs import Kind


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """``open_handlers`` is a function of a module, or a ``partial`` of one: it travels to the worker's process."""

    open_handlers: Callable[[], Mapping[Kind, Handler]]
    periodic: tuple[Periodic, ...]
