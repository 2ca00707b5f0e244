"""Who holds a camera, and until when."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A camera lent to one holder; ``epoch`` grows by one with every grant. Times are the database's clock."""

    camera_id: int
    holder: str
    epoch: int
    granted_ns: int
    expires_ns: int
