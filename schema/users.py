"""People who use the system, and the sessions that they have open."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Role = Literal["admin", "operator", "analyst", "viewer", "system_admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
ADMINS: Final[tuple[Role, ...]] = ("admin", "system_admin")
"""Who may manage the people of a tenant."""

ERASED: Final = "erased-"
"""What the name of somebody who was erased begins with; his number follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody of one tenant; ``id`` is 0 until stored. ``password_hash`` None: cannot sign in by password.

    ``email`` is stored sealed; it is left out of what is printed, as is the hash.
    """

    id: int = 0
    username: str
    email: str | None = field(default=None, repr=False)
    role: Role = "viewer"
    password_hash: str | None = field(default=None, repr=False)
    is_active: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class UserSession:
    """A session in force, and who has it, in which tenant."""

    id: int
    tenant_id: int
    user_id: int
    username: str
    role: Role
    expires_ns: int
