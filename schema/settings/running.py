"""The parts of the running system that can be set."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from schema.settings.part import Part


class ApiSettings(Part):
    """Where the API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000


class DetectorSettings(Part):
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


class WorkerSettings(Part):
    """The camera workers."""

    cameras_per_worker: Annotated[int, Field(ge=1, le=256)] = 32


class EvidenceSettings(Part):
    """Pictures of crossings, cut out around the person; ``enabled: false`` takes none at all."""

    enabled: bool = True


class StorageSettings(Part):
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


class JobSettings(Part):
    """Who does the jobs: backfills, exports, moving what has aged."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes, each of which does one job of every kind at a time."""
