"""Tenants: whose cameras, people and counts they are."""

from typing import Final

DEFAULT_TENANT_ID: Final = 1
"""The tenant that every database has from the start; whoever runs Turnstile for himself never meets another."""
