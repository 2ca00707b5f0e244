"""The start page: what there is to see, and nothing that is not there."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Turnstile</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
code{background:#0001;padding:.1em .3em}</style></head>
<body>
<h1>Turnstile</h1>
<p>Counts people crossing lines and staying in zones. This is its API; there is no dashboard yet.</p>
<ul>
<li><a href="/docs">Every call, to try out</a> (<a href="/openapi.json">OpenAPI</a>)</li>
<li><a href="/api/v1/cameras">Cameras</a></li>
<li><a href="/api/v1/occupancy">Totals and occupancy now</a></li>
<li><a href="/api/v1/counts">Counts of the last hour</a></li>
<li><a href="/api/v1/crossings">Latest crossings</a></li>
<li>Live numbers by WebSocket: <code>/api/v1/live</code></li>
<li><a href="/readyz">Is everything it needs there?</a> <a href="/metrics">Figures for Prometheus</a></li>
</ul>
<p>There is no sign-in yet: whoever reaches this address may change everything, so it listens on loopback only.</p>
</body></html>
"""


@router.get("/")
async def start_page() -> HTMLResponse:
    """Links to everything."""
    return HTMLResponse(_PAGE)
