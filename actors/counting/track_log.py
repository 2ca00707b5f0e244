"""From confirmed sides to crossings: ordinals, U-turns, dwell, and waiting until the track is confirmed."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from schema.events import Cause, Crossing, Direction, crossing_id
from schema.geometry import Line, Rule

NS = 1_000_000_000


RuleKey = tuple[str, int]
"""Name and version: what makes a rule the same rule after an edit of the scene."""


def rule_key(rule: Rule) -> RuleKey:
    """The key of a rule."""
    return rule.name, rule.version


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change of side of a track at a rule, when and where it happened and when it became certain."""

    rule: Rule
    direction: Direction
    cause: Cause
    frame: int
    occurred_ns: int
    confirmed_ns: int
    confidence: float
    x: float
    y: float


@dataclass(kw_only=True, slots=True)
class RuleLog:
    """What one track did at one rule: how many events, crossings that a U-turn may still undo, entry into a zone."""

    ordinal: int = 0
    open: list[tuple[Direction, int, UUID]] = field(default_factory=list[tuple[Direction, int, UUID]])
    entered_ns: int | None = None


@dataclass(kw_only=True, slots=True)
class TrackLog:
    """What one track did so far; ``waiting`` are changes of a track that is not confirmed yet. Ends with the track."""

    waiting: list[Change] = field(default_factory=list[Change])
    rules: dict[RuleKey, RuleLog] = field(default_factory=dict[RuleKey, RuleLog])

    def record(self, change: Change, *, camera_id: int, epoch: str, track_id: int, model: str) -> Crossing:
        """Turn a change of a confirmed track into a crossing."""
        rule = change.rule
        log = self.rules.setdefault(rule_key(rule), RuleLog())
        event_id = crossing_id(
            camera_id=camera_id,
            epoch=epoch,
            track_id=track_id,
            rule=rule.name,
            version=rule.version,
            ordinal=log.ordinal,
        )
        undoes, undoes_ns = _undo(log, change, event_id) if change.cause == "crossed" else (None, None)
        crossing = Crossing(
            event_id=event_id,
            camera_id=camera_id,
            epoch=epoch,
            track_id=track_id,
            kind="line" if isinstance(rule, Line) else "zone",
            rule=rule.name,
            rule_id=rule.id,
            direction=change.direction,
            cause=change.cause,
            ordinal=log.ordinal,
            frame=change.frame,
            occurred_ns=change.occurred_ns,
            confirmed_ns=change.confirmed_ns,
            confidence=change.confidence,
            x=change.x,
            y=change.y,
            undoes=undoes,
            undoes_ns=undoes_ns,
            dwell_s=_dwell(log, change),
            model=model,
        )
        log.ordinal += 1
        return crossing

    def retain(self, rules: set[RuleKey]) -> None:
        """Forget all rules but these, by name and version."""
        self.rules = {key: log for key, log in self.rules.items() if key in rules}
        self.waiting = [change for change in self.waiting if rule_key(change.rule) in rules]

    def release(self, confirmed_ns: int) -> list[Change]:
        """Changes that waited for the track to be confirmed, in order; certain only now."""
        waiting, self.waiting = self.waiting, []
        return [replace(change, confirmed_ns=confirmed_ns) for change in waiting]


def _undo(log: RuleLog, change: Change, event_id: UUID) -> tuple[UUID | None, int | None]:
    """The crossing that this one nets out: the last one that is still open, if it is opposite and recent."""
    horizon = change.occurred_ns - round(change.rule.u_turn_s * NS)
    log.open = [entry for entry in log.open if entry[1] >= horizon]
    if log.open and log.open[-1][0] != change.direction:
        _, undoes_ns, undoes = log.open.pop()
        return undoes, undoes_ns
    log.open.append((change.direction, change.occurred_ns, event_id))
    return None, None


def _dwell(log: RuleLog, change: Change) -> float | None:
    """Seconds in the zone, known on the way out; whole 1024ths, so that sums are exact in any order."""
    if isinstance(change.rule, Line):
        return None
    if change.direction == "in":
        log.entered_ns = change.occurred_ns
        return None
    entered, log.entered_ns = log.entered_ns, None
    return None if entered is None else round((change.occurred_ns - entered) * 1024 / NS) / 1024
