"""Calling the program as its user does."""

from collections.abc import Callable

Turnstile = Callable[..., tuple[int, str, str]]
"""Takes the arguments of a command line; gives its exit code, and what it said on standard output and error."""
