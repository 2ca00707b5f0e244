"""How the API itself is doing, as Prometheus counts it: one registry an application, nothing global."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ApiMetrics:
    """The API's own figures; ``registry`` also takes collectors that ask the store on every scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.request_seconds = Histogram(
            "turnstile_api_request_seconds",
            "Time from a request's arrival to the end of its answer.",
            ("method", "route", "status"),
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._answers = Counter(
            "turnstile_api_count_answers",
            "Answers about counts: remembered, or summed up in PostgreSQL.",
            ("source",),
            registry=self.registry,
        )
        self.websocket_clients = Gauge(
            "turnstile_api_websocket_clients", "Clients of the live WebSocket.", registry=self.registry
        )

    def note_answer(self, remembered: bool) -> None:
        """Count an answer about counts."""
        self._answers.labels("memory" if remembered else "store").inc()


class MeasureRequests:
    """ASGI middleware that times HTTP requests by route template, so that labels stay few whatever people ask for."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how long it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            labels = (_known_method(scope["method"]), route, str(status))
            self._metrics.request_seconds.labels(*labels).observe(time.perf_counter() - started_s)


def _known_method(method: str) -> str:
    return method if method in {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} else "other"
