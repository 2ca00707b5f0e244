"""The query API: what clients ask over HTTP and WebSocket."""

V1 = "/api/v1"
"""Where this version of the API lies. Routers carry it themselves: metrics name a route by its router's own path."""
