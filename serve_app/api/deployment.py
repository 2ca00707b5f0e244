"""The API as a Serve deployment: the application is built inside the replica, so that nothing open is pickled."""

from collections.abc import Sequence

from fastapi import FastAPI
from ray import serve

from schema.settings import StorageSettings
from serve_app.api.app import build_api


@serve.ingress()
class Api:
    """Shell around the application. Each replica has its own connections and its own live hub."""

    def __init__(self, dsn: str, redis_url: str, storage: StorageSettings, replica_dsns: Sequence[str] = ()) -> None:
        self._dsn = dsn
        self._redis_url = redis_url
        self._storage = storage
        self._replica_dsns = replica_dsns

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Called once in each replica."""
        return build_api(
            dsn=self._dsn, redis_url=self._redis_url, storage=self._storage, replica_dsns=self._replica_dsns
        )
