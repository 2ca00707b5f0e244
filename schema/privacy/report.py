"""What an erasure did, or would do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What was done in one place, and to how many things there; ``count`` None where nobody counted."""

    where: str
    what: str
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was done, in order; nothing in it is personal. ``before`` says that it had been done earlier."""

    user_id: int
    before: bool = False
    done: Sequence[Done] = ()

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {"user_id": self.user_id, "erased_before": self.before, "done": [asdict(each) for each in self.done]}
