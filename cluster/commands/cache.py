"""``turnstile cache``: what lies in Redis, and forgetting it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Column, Table

from cluster.commands.configured import print_json
from cluster.commands.options import Config, Json
from cluster.services import Services
from cluster.services.redis import ping_redis
from schema.cache import census
from schema.cache.client import Cache, CacheAway
from schema.cache.families import FAMILIES
from schema.errors import BadInput, StoreUnavailable
from schema.settings import load_settings
from schema.sources import redact

cache = typer.Typer()


@contextmanager
def redis_of(config: Path | None) -> Iterator[Cache]:
    """The Redis that the settings name, or the private one, which must run.

    Raises:
        BadInput: it does not answer.
    """
    url = Services(load_settings(config)).endpoints.redis_url
    client = Cache(url, timeout_s=2.0)
    try:
        ping_redis(url)
        yield client
    except (StoreUnavailable, CacheAway) as error:
        reason = redact(str(error))
        raise BadInput(
            f"Redis does not serve us ({reason}): start it with 'turnstile up', or correct redis_url"
        ) from None
    finally:
        client.close()


@cache.command()
def families(as_json: Json = False) -> None:
    """List every kind of key, how long it lives, and what its loss costs."""
    if as_json:
        print_json([asdict(family) for family in FAMILIES])
        return
    table = Table(Column("key", no_wrap=True), "lives", "bounded by", "when lost")
    for family in FAMILIES:
        lives = "for ever" if family.ttl_s is None else f"{family.ttl_s} s"
        table.add_row(family.pattern, family.type if family.type == "channel" else lives, family.bound, family.lost)
    Console().print(table)


@cache.command()
def status(config: Config = None, as_json: Json = False) -> None:
    """Count keys by family, and say whether memory is bounded."""
    with redis_of(config) as client:
        found = census.take(client)
    if as_json:
        print_json({**asdict(found), "warnings": list(found.warnings)})
        return
    table = Table("family", "keys")
    for name, number in found.keys.items():
        table.add_row(name, str(number))
    table.add_row("other programs", str(found.other))
    limit = f"of {found.limit_bytes / 2**20:.0f} MiB" if found.limit_bytes else "without a limit"
    console = Console()
    console.print(table)
    console.print(f"{found.used_bytes / 2**20:.1f} MiB {limit}, {found.policy}")
    for warning in found.warnings:
        console.print(warning)


@cache.command()
def clear(config: Config = None) -> None:
    """Forget all that can be read from PostgreSQL again, for instance after it was restored from a copy."""
    with redis_of(config) as client:
        gone = census.clear(client)
    Console().print(f"{gone} keys are gone; flags and locks stay")
