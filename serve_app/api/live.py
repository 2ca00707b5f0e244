"""Live numbers by WebSocket."""

import asyncio
import json
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect, status

from schema.errors import BadInput, Retryable
from serve_app.api import V1
from serve_app.api.backend import Backend, OpenBackend
from serve_app.api.lookup import find_camera
from serve_app.live import LiveClient

router = APIRouter(prefix=V1, tags=["live"])

MAX_CLIENTS = 800
"""Below what the deployment takes at once, so that a full house of listeners leaves room for questions."""
SEND_TIMEOUT_S = 30.0
"""A client that takes nothing for this long is let go."""


@router.websocket("/live")
async def live(websocket: WebSocket, backend: OpenBackend, camera: Annotated[list[str] | None, Query()] = None) -> None:
    """A snapshot, then numbered deltas, of the cameras named (``?camera=lobby&camera=yard``) or of all.

    ``serve_app.live`` describes the messages. A client may send ``{"ack": seq}`` for messages it has worked through;
    it is then never sent more than 64 ahead of that, which works through any proxy.
    """
    await websocket.accept()
    try:
        await _check(backend, camera or [])
    except BadInput as error:
        await websocket.close(status.WS_1008_POLICY_VIOLATION, str(error)[:120])
        return
    except Retryable as error:
        await websocket.close(status.WS_1013_TRY_AGAIN_LATER, str(error)[:120])
        return
    client = backend.hub.join(frozenset(camera) if camera else None)
    backend.metrics.websocket_clients.inc()
    try:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(websocket, client))
            await _receive(websocket, client)
            sending.cancel()
    except* (WebSocketDisconnect, TimeoutError, RuntimeError):
        pass
    finally:
        backend.hub.leave(client)
        backend.metrics.websocket_clients.dec()


async def _check(backend: Backend, cameras: list[str]) -> None:
    if len(backend.hub) >= MAX_CLIENTS:
        raise BadInput(f"there are {MAX_CLIENTS} live clients already: try again later")

    def look_up() -> None:
        with backend.transaction() as session:
            for name in cameras:
                find_camera(session, name)

    if cameras:
        await asyncio.to_thread(look_up)


async def _send(websocket: WebSocket, client: LiveClient) -> None:
    while True:
        message = await client.next()
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await websocket.send_text(message)


async def _receive(websocket: WebSocket, client: LiveClient) -> None:
    """Take acknowledgements until the client leaves; anything else ends the connection."""
    while True:
        seq = _acknowledged(await websocket.receive_text())
        if seq is None:
            await websocket.close(status.WS_1008_POLICY_VIOLATION, 'the only message to send is {"ack": seq}')
            return
        client.acknowledge(seq)


def _acknowledged(text: str) -> int | None:
    with suppress(ValueError, TypeError, KeyError):
        seq = json.loads(text)["ack"]
        return seq if isinstance(seq, int) else None
    return None
