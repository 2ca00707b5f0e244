"""Jobs: what may be asked of the workers, and with which arguments.

Whoever adds a kind adds its arguments here and its handler in ``cluster.jobs``; a kind without either is refused.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schema.errors import BadInput
from schema.geometry import Scene
from schema.queries.counts import Resolution
from schema.settings import LineSettings, RuleSettings

Kind = Literal["backfill", "export", "archive", "erase", "rollup", "collect"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)
OPEN: Final[tuple[State, ...]] = ("queued", "running")


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as it stands.

    ``progress`` is 0..1 and ``message`` says what it is about. ``result`` is there when it is done, ``error`` is the
    sentence it failed with, or why it is tried again. ``attempts`` are those that did not end by a passing failure,
    which are ``retries``. ``lease_epoch`` grows with every claim: what an older one says is refused.
    """

    id: int
    tenant_id: int
    kind: Kind
    arguments: Mapping[str, Any]
    state: State
    progress: float
    message: str
    result: Mapping[str, Any] | None
    error: str | None
    attempts: int
    retries: int
    key: str | None
    requested_by: int | None
    holder: str | None
    lease_epoch: int
    created_ns: int
    started_ns: int | None
    finished_ns: int | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in OPEN


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackfillArguments(_Arguments):
    """Count a recorded video, a file that the workers can read, under a camera's name."""

    video: Annotated[str, Field(min_length=1)]
    camera: Annotated[str, Field(min_length=1)]
    lines: Mapping[str, LineSettings] = {}
    zones: Mapping[str, RuleSettings] = {}
    start: AwareDatetime | None = None
    """When the video begins; None: as before, or else from the file's date."""

    @property
    def scene(self) -> Scene:
        """The rules as values; without any, those that the camera has are taken."""
        return Scene(
            lines=tuple(rule.line(name) for name, rule in self.lines.items()),
            zones=tuple(rule.zone(name) for name, rule in self.zones.items()),
        )


class ExportArguments(_Arguments):
    """Write crossings, or counts by ``resolution``, of ``from`` <= time < ``to`` into a file."""

    model_config = ConfigDict(populate_by_name=True)

    what: Literal["crossings", "counts"]
    from_: Annotated[AwareDatetime, Field(alias="from")]
    to: AwareDatetime
    format: Literal["csv", "parquet"] = "csv"
    camera: str | None = None
    """Only this camera."""
    resolution: Resolution = "hour"

    @model_validator(mode="after")
    def _in_order(self) -> "ExportArguments":
        if self.from_ >= self.to:
            raise ValueError("'from' is not before 'to': give an earlier 'from' or a later 'to'")
        return self


class ArchiveArguments(_Arguments):
    """Move whatever has passed its age to the next tier, for all tenants."""


class RollupArguments(_Arguments):
    """Roll up the days that have passed and were changed, for all tenants."""


class EraseArguments(_Arguments):
    """Erase a person, given by his number, because a job is kept for longer than a name may be.

    Not to be requested like the others: ``schema.queries.jobs.request_erasure`` does.
    """

    user_id: int
    force: bool = False
    """Even the last one who may manage the tenant."""


class CollectArguments(_Arguments):
    """Delete files whose time is over, and files that nothing names, for all tenants."""


ARGUMENTS: Final[Mapping[Kind, type[BaseModel]]] = {
    "backfill": BackfillArguments,
    "export": ExportArguments,
    "archive": ArchiveArguments,
    "rollup": RollupArguments,
    "collect": CollectArguments,
}
"""The kinds that may be requested."""


def check_arguments(kind: str, given: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """What is to be stored of a request: times as ISO 8601 text, nothing that was left out.

    Raises:
        BadInput: there are no such jobs, or the arguments do not fit; names the first that does not.
    """
    for known, model in ARGUMENTS.items():
        if known == kind:
            try:
                checked = model.model_validate(given)
                if isinstance(checked, BackfillArguments):
                    _ = checked.scene
            except ValidationError as error:
                first = error.errors(include_url=False, include_context=False)[0]
                where = ".".join(str(part) for part in first["loc"])
                said = first["msg"].removeprefix("Value error, ")
                raise BadInput(f"a job '{kind}' cannot have {f'{where}: ' if where else ''}{said}") from None
            return known, json.loads(checked.model_dump_json(by_alias=True, exclude_unset=True))
    raise BadInput(f"there are no jobs '{kind}': those that can be requested are {', '.join(ARGUMENTS)}")
