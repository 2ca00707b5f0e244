"""Tenants: whose cameras, people and counts they are."""

from dataclasses import dataclass
from typing import Final

DEFAULT_TENANT_ID: Final = 1
"""The tenant that every database has from the start; whoever runs Turnstile for himself never meets another."""
DEFAULT_TENANT: Final = "default"
"""Its name, unless somebody gave it another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant, and for how many days it keeps what.

    Counts are hot (rows) for ``hot_days``, warm (packed) until they are ``warm_days`` old, cold (files) until
    ``cold_days``, and historical after that. Pictures are deleted after ``evidence_days``.
    """

    id: int = 0
    name: str
    hot_days: int = 30
    warm_days: int = 365
    cold_days: int = 1825
    evidence_days: int = 14
