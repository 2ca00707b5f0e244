"""All settings, checked at start, or nothing starts. No other part reads the environment or YAML.

Settings come from three places, later ones winning: the defaults below, a YAML file, and the environment, where
``TURNSTILE_API__PORT=9000`` sets ``api.port``. A YAML value may take a secret from the environment: ``${NAME}``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schema.camera import DEFAULT_DETECT_FPS, CameraSpec
from schema.errors import BadInput
from schema.geometry import DEFAULT_U_TURN_S, Anchor, Line, Point, Scene, Zone
from schema.settings_input import PREFIX, UNKNOWN_KEY, read_settings
from schema.tenants import DEFAULT_TENANT

KEYS_VARIABLE = f"{PREFIX}KEYS"
KEYS_FILE_VARIABLE = f"{PREFIX}KEYS_FILE"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            for key in cast(Mapping[Any, Any], given):
                if key not in cls.model_fields:
                    near = get_close_matches(str(key), cls.model_fields, n=1, cutoff=0.5)
                    fix = f"did you mean '{near[0]}'?" if near else f"known here are {', '.join(cls.model_fields)}"
                    raise PydanticCustomError(UNKNOWN_KEY, "unknown key '{key}': {fix}", {"key": str(key), "fix": fix})
        return cast(Any, given)


class RuleSettings(_Part):
    """A line (x1,y1,x2,y2) or a zone (x,y,x,y,x,y,…); a bare list or ``"0.5,0,0.5,1"`` stands for its coordinates."""

    coordinates: tuple[float, ...]
    anchor: Anchor = "foot"
    u_turn_s: float = DEFAULT_U_TURN_S

    @model_validator(mode="before")
    @classmethod
    def _bare_coordinates(cls, given: Any) -> Any:
        return cast(Any, given) if isinstance(given, Mapping) else {"coordinates": given}

    @field_validator("coordinates", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return given.split(",") if isinstance(given, str) else given

    def zone(self, name: str) -> Zone:
        """The coordinates as a zone.

        Raises:
            BadInput: no such zone is possible.
        """
        return Zone(name=name, polygon=_points("zone", name, self), anchor=self.anchor, u_turn_s=self.u_turn_s)


class LineSettings(RuleSettings):
    """A line; ``flip`` swaps in and out."""

    flip: bool = False

    def line(self, name: str) -> Line:
        """The coordinates as a line.

        Raises:
            BadInput: no such line is possible.
        """
        points = _points("line", name, self)
        if len(points) != 2:
            raise BadInput(f"line '{name}' needs four numbers x1,y1,x2,y2, got {len(self.coordinates)}")
        return Line(name=name, a=points[0], b=points[1], flip=self.flip, anchor=self.anchor, u_turn_s=self.u_turn_s)


class CameraSettings(_Part):
    """One camera: ``source`` is an RTSP or HTTP URL or the path of a video file, which then plays over and over."""

    source: Annotated[str, Field(min_length=1, repr=False)]
    detect_fps: Annotated[float, Field(gt=0, le=1000)] | None = DEFAULT_DETECT_FPS
    """Frames a second that go to the detector; ``all`` (None here) for every frame."""
    enabled: bool = True
    evidence: bool = True
    """Whether a picture of each crossing is kept."""
    friendly_name: str = ""
    lines: Mapping[str, LineSettings] = {}
    zones: Mapping[str, RuleSettings] = {}

    @field_validator("detect_fps", mode="before")
    @classmethod
    def _all_frames(cls, given: Any) -> Any:
        return None if given == "all" else given

    @model_validator(mode="after")
    def _has_a_possible_scene(self) -> "CameraSettings":
        try:
            _ = self.scene
        except BadInput as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def scene(self) -> Scene:
        """The rules as values."""
        return Scene(
            lines=tuple(rule.line(name) for name, rule in self.lines.items()),
            zones=tuple(rule.zone(name) for name, rule in self.zones.items()),
        )

    def spec(self, *, camera_id: int, name: str) -> CameraSpec:
        """This camera under the id that the store gave it."""
        return CameraSpec(id=camera_id, name=name, source=self.source, scene=self.scene, detect_fps=self.detect_fps)


class ApiSettings(_Part):
    """Where the API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000


class DetectorSettings(_Part):
    """The shared detector: between ``min_replicas`` and ``max_replicas``, each with this share of a GPU, if any."""

    weights: str = "yolo11n.pt"
    """What ``model: auto`` tries first."""
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 8
    gpu_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _in_order(self) -> "DetectorSettings":
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}: raise it")
        return self


class WorkerSettings(_Part):
    """The camera workers."""

    cameras_per_worker: Annotated[int, Field(ge=1, le=256)] = 32


class EvidenceSettings(_Part):
    """Pictures of crossings, cut out around the person; ``enabled: false`` takes none at all."""

    enabled: bool = True


class StorageSettings(_Part):
    """Where files are kept: a folder (``file:///…``), or a bucket of S3 or a server like it (``s3://bucket/prefix``).

    Workers on several machines need a folder that all of them see, or a bucket.
    """

    url: str = ""
    """Empty: the folder ``files`` in the home."""
    endpoint: Annotated[str | None, Field(pattern="^https?://[^@]+$", repr=False)] = None
    """The server's address, like https://files.example:9000; None is Amazon's."""
    region: str = "us-east-1"
    access_key: Annotated[str | None, Field(repr=False)] = None
    """None takes what the machine has: its environment, its profile, its role."""
    secret_key: Annotated[str | None, Field(repr=False)] = None
    ca: Path | None = None
    """Certificates (PEM) that the server's is checked against, instead of the machine's."""


class JobSettings(_Part):
    """Who does the jobs: backfills, exports, moving what has aged."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes, each of which does one job of every kind at a time."""


class Settings(_Part):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedKeys:
    """Where this process finds the keys of sealed columns: the lines themselves, else a file, else nowhere."""

    text: str | None = field(repr=False)
    file: Path | None


def named_keys(env: Mapping[str, str] = os.environ) -> NamedKeys:
    """What the environment says about keys.

    The settings put it there (``cluster.home.use_keys``), so that actors find it without the settings file.
    """
    file = env.get(KEYS_FILE_VARIABLE)
    return NamedKeys(text=env.get(KEYS_VARIABLE) or None, file=Path(file) if file else None)


def _with_scheme(url: str | None, *schemes: str) -> str | None:
    if url is not None and not url.startswith(schemes):
        raise ValueError(f"the address does not start with {schemes[0]}: write it like {schemes[0]}user:password@host/")
    return url


def _points(kind: str, name: str, rule: RuleSettings) -> tuple[Point, ...]:
    given = rule.coordinates
    if len(given) % 2:
        raise BadInput(f"{kind} '{name}' has an odd count of coordinates ({len(given)}): give x,y pairs")
    try:
        return tuple(Point(x=x, y=y) for x, y in zip(given[::2], given[1::2], strict=True))
    except BadInput as error:
        raise BadInput(f"{kind} '{name}': {error}") from None
