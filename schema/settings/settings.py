"""The settings as a whole."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from schema.errors import BadInput
from schema.settings.cameras import CameraSettings
from schema.settings.given import read_settings
from schema.settings.part import Part
from schema.settings.running import (
    ApiSettings,
    DetectorSettings,
    EvidenceSettings,
    JobSettings,
    StorageSettings,
    WorkerSettings,
)
from schema.tenants import DEFAULT_TENANT


class Settings(Part):
    """All settings. ``None`` for a service means: find or start a private one."""

    home: Path = Path(".turnstile")
    """State: private services, journals, tokens. Relative to the working folder."""
    cache: Path = Path("~/.cache/turnstile")
    """Downloads that can be fetched again."""
    demo_video: Path | None = None
    """A video of one's own for the demo, instead of OpenCV's."""
    model: Annotated[str, Field(min_length=1)] = "auto"
    tenant: Annotated[str, Field(min_length=1)] = DEFAULT_TENANT
    """Whose cameras the commands add, show and change, and those below are; all tenants' are watched."""
    postgres_dsn: Annotated[str | None, Field(repr=False)] = None
    postgres_owner_dsn: Annotated[str | None, Field(repr=False)] = None
    """The same database as whoever may change its tables; None takes ``postgres_dsn`` for that too."""
    postgres_replica_dsns: Annotated[tuple[str, ...], Field(repr=False)] = ()
    """Replicas that may answer questions about times that are over; in the environment separated by spaces."""
    redis_url: Annotated[str | None, Field(repr=False)] = None
    amqp_url: Annotated[str | None, Field(repr=False)] = None
    ray_address: str | None = None
    """A Ray cluster to run on, ``auto`` on its own machines. None starts a Ray on this machine."""
    counting_shards: Annotated[int, Field(ge=1, le=64)] = 1
    api: ApiSettings = ApiSettings()
    detector: DetectorSettings = DetectorSettings()
    workers: WorkerSettings = WorkerSettings()
    jobs: JobSettings = JobSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    storage: StorageSettings = StorageSettings()
    cameras: Mapping[str, CameraSettings] = {}
    keys_file: Path | None = None
    """Keys for sealed columns, a line ``id:base64key`` each; the first one seals. None makes one under ``home``."""
    keys: Annotated[str | None, Field(repr=False)] = None
    """The same lines themselves, from the environment; they win over the file."""

    @field_validator("home", "cache", "demo_video", "keys_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("storage")
    @classmethod
    def _in_home(cls, storage: StorageSettings, info: ValidationInfo) -> StorageSettings:
        home: Path | None = info.data.get("home")
        if storage.url or home is None:
            return storage
        return storage.model_copy(update={"url": (home / "files").as_uri()})

    @field_validator("postgres_dsn", "postgres_owner_dsn")
    @classmethod
    def _postgres(cls, dsn: str | None) -> str | None:
        plain = dsn and dsn.replace("postgresql+psycopg://", "postgresql://", 1)
        return _with_scheme(plain, "postgresql://", "postgres://")

    @field_validator("postgres_owner_dsn")
    @classmethod
    def _of_a_given_database(cls, dsn: str | None, info: ValidationInfo) -> str | None:
        if dsn is not None and info.data.get("postgres_dsn") is None:
            raise ValueError("there is no postgres_dsn beside it: set both, or neither for a private PostgreSQL")
        return dsn

    @field_validator("postgres_replica_dsns", mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        return given.split() if isinstance(given, str) else given

    @field_validator("postgres_replica_dsns")
    @classmethod
    def _replicas(cls, dsns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(filter(None, (cls._postgres(dsn) for dsn in dsns)))

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: str | None) -> str | None:
        return _with_scheme(url, "redis://", "rediss://")

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, url: str | None) -> str | None:
        return _with_scheme(url, "amqp://", "amqps://")

    @field_validator("cameras")
    @classmethod
    def _usable_names(cls, cameras: Mapping[str, CameraSettings]) -> Mapping[str, CameraSettings]:
        for name in cameras:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
                raise ValueError(f"camera name '{name}' is not usable: take 1 to 64 letters, digits, '-' or '_'")
        return cameras


def load_settings(path: Path | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings and check all of them.

    Args:
        path: the YAML file. None takes the one that ``TURNSTILE_CONFIG`` names, else ``turnstile.yaml`` in the working
            folder if there is one, else none.
        env: the environment.

    Raises:
        BadInput: names the key and the fix.
    """
    given = read_settings(path, env)
    given.values.setdefault("cache", str(Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "turnstile"))
    try:
        return Settings.model_validate(given.values)
    except ValidationError as error:
        raise BadInput(given.sentence(error)) from None


def _with_scheme(url: str | None, *schemes: str) -> str | None:
    if url is not None and not url.startswith(schemes):
        raise ValueError(f"the address does not start with {schemes[0]}: write it like {schemes[0]}user:password@host/")
    return url
