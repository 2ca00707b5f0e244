"""Somebody whose data is asked for or is to be erased."""

from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from schema.crypto import USER_EMAIL, keyring
from schema.errors import BadInput, NotFound
from schema.privacy.mentions import Mentions
from schema.tables import UserRow, UserSessionRow
from schema.users import ERASED


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Who it is, and by what he is known; ``email`` is None, too, where no key opens it any more."""

    id: int
    tenant_id: int
    username: str = field(repr=False)
    email: str | None = field(repr=False)
    addresses: frozenset[str] = field(repr=False)
    """From which he signed in, as far as his sessions say it."""
    is_erased: bool

    @property
    def marker(self) -> str:
        """What stands where his name stood."""
        return f"{ERASED}{self.id}"

    @property
    def mentions(self) -> Mentions:
        """How he is found in text."""
        emails = () if self.email is None else (self.email,)
        return Mentions(name=self.username, addresses={*self.addresses, *emails}, marker=self.marker)


def find(session: Session, who: str) -> Person:
    """The person of the transaction's tenant with this user name or e-mail address.

    Raises:
        NotFound: there is nobody, or who there was has been erased.
        BadInput: it is one's name and another's address.
    """
    named = session.scalar(select(UserRow).where(UserRow.username == who, UserRow.erased_at.is_(None)))
    addressed = None
    if "@" in who:
        try:
            index = USER_EMAIL.blind_index(keyring(), who)
        except BadInput:
            if named is None:
                raise
        else:
            addressed = session.scalar(
                select(UserRow).where(UserRow.email_index == index, UserRow.email_index.is_not(None))
            )
    if named is not None and addressed is not None and named.id != addressed.id:
        raise BadInput(f"'{who}' is the name of one user and the e-mail address of another: name them otherwise")
    row = named or addressed
    if row is None:
        raise NotFound(f"there is no user '{who}', by name or by e-mail address: check the spelling and the tenant")
    return person_of(session, row)


def person_of(session: Session, row: UserRow) -> Person:
    """The person of a row."""
    email = None
    if row.email_sealed is not None:
        with suppress(BadInput):  # that a key is lost shall not keep anybody from being erased
            email = USER_EMAIL.open(keyring(), row.email_sealed)
    addresses = select(func.host(UserSessionRow.ip_address)).where(
        UserSessionRow.user_id == row.id, UserSessionRow.ip_address.is_not(None)
    )
    return Person(
        id=row.id,
        tenant_id=row.tenant_id,
        username=row.username,
        email=email,
        addresses=frozenset(session.scalars(addresses)),
        is_erased=row.erased_at is not None,
    )
