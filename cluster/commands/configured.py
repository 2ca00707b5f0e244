"""What the commands that edit cameras, lines and zones have in common."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from cluster.services import Services
from schema.database import across_tenants, migrate, open_engine, transaction
from schema.errors import NotFound
from schema.geometry import Line, Scene
from schema.queries import cameras, tenants
from schema.queries.cameras import Camera
from schema.settings import load_settings
from serve_app.api.shapes import RuleAnswer

CameraName = Annotated[str, typer.Argument(help="The camera's name.")]
Lines = Annotated[list[str] | None, typer.Option("--line", help="name=x1,y1,x2,y2; may be repeated.")]
Zones = Annotated[list[str] | None, typer.Option("--zone", help="name=x,y,x,y,x,y,…; may be repeated.")]


@contextmanager
def database(config: Path | None, tenant: str | None) -> Iterator[Session]:
    """One transaction of a tenant, None for the settings', in the database that they name, brought up to date first.

    Raises:
        NotFound: there is no such tenant.
    """
    settings = load_settings(config)
    with Services(settings, database_only=True) as services:
        endpoints = services.endpoints
        migrate(endpoints.postgres_owner_dsn)
        engine = open_engine(endpoints.postgres_dsn, pool_size=1)
        try:
            with transaction(engine, tenant_id(engine, tenant or settings.tenant)) as session:
                yield session
        finally:
            engine.dispose()


def tenant_id(engine: Engine, name: str) -> int:
    """The number of the tenant with this name.

    Raises:
        NotFound: there is none; says which there are.
    """
    with across_tenants(engine) as session:
        return tenants.by_name(session, name).id


def find_camera(session: Session, name: str) -> Camera:
    """The camera of this name.

    Raises:
        NotFound: there is none.
    """
    for camera in cameras.listing(session):
        if camera.name == name:
            return camera
    raise NotFound(f"there is no camera '{name}': 'turnstile cameras list' shows which there are")


def rules_table(scene: Scene) -> Table:
    """Lines and zones for people."""
    table = Table("name", "kind", "version", "coordinates", "in and out")
    for rule in scene.rules:
        answer = RuleAnswer.of(rule)
        coordinates = ",".join(f"{value:g}" for value in answer.coordinates)
        swapped = "swapped" if isinstance(rule, Line) and rule.flip else ""
        table.add_row(rule.name, answer.kind, str(rule.version), coordinates, swapped)
    return table


def print_json(values: Any) -> None:
    """Values for programs."""
    typer.echo(json.dumps(values, indent=2))
