"""People of a tenant."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schema.crypto import USER_EMAIL, keyring
from schema.errors import AlreadyExists, BadInput
from schema.tables import UserRow
from schema.times import to_datetime
from schema.users import ERASED, User


def add(session: Session, user: User) -> User:
    """Store somebody new in the transaction's tenant.

    Returns:
        Him with his id.

    Raises:
        BadInput: the name or the e-mail address is unusable, or there are no keys to seal the address with.
        AlreadyExists: somebody of this tenant has the name or the address.
    """
    _check(user)
    row = UserRow(
        username=user.username,
        role=user.role,
        password_hash=user.password_hash,
        is_active=user.is_active,
    )
    if user.email is not None:
        row.email_sealed = USER_EMAIL.seal(keyring(), user.email)
        row.email_index = USER_EMAIL.blind_index(keyring(), user.email)
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise AlreadyExists(
            f"there is a user '{user.username}' or one with this e-mail address already: choose another"
        ) from error
    return _user(row)


def by_name(session: Session, username: str) -> User | None:
    """Who has this name; None where nobody has, or who had it was erased."""
    row = session.scalar(select(UserRow).where(UserRow.username == username, UserRow.erased_at.is_(None)))
    return row and _user(row)


def by_email(session: Session, email: str) -> User | None:
    """Who has this e-mail address, in whatever letter case; None where nobody has."""
    index = USER_EMAIL.blind_index(keyring(), email)
    # The condition says nothing new, but lets PostgreSQL use the index, which holds no rows without an address.
    row = session.scalar(select(UserRow).where(UserRow.email_index == index, UserRow.email_index.is_not(None)))
    return row and _user(row)


def note_login(session: Session, user_id: int, *, now_ns: int) -> None:
    """Remember that somebody signed in."""
    session.get_one(UserRow, user_id).last_login_at = to_datetime(now_ns)


def _check(user: User) -> None:
    if not 1 <= len(user.username) <= 128 or any(c.isspace() or not c.isprintable() for c in user.username):
        raise BadInput(f"user name '{user.username}' is not usable: take 1 to 128 letters, digits or signs, no spaces")
    if user.username.startswith(ERASED):
        raise BadInput(f"user name '{user.username}' is kept for people who were erased: take another one")
    if user.email is not None and ("@" not in user.email.strip("@") or len(user.email) > 254):
        raise BadInput(f"the e-mail address of '{user.username}' is not one: write it like name@example.org")


def _user(row: UserRow) -> User:
    return User(
        id=row.id,
        username=row.username,
        email=None if row.email_sealed is None else USER_EMAIL.open(keyring(), row.email_sealed),
        role=row.role,
        password_hash=row.password_hash,
        is_active=row.is_active,
    )
