"""Live totals to many clients: everything is encoded once, and nobody waits for a slow one.

Clients get messages of two types, numbered from 1 without a gap (``seq``):

- ``snapshot``: the absolute totals of all rules; it replaces what the client knew. Its ``reason`` is ``joined``,
  ``changed`` (a rule was made, edited or removed), ``restarted`` (the live channel was away) or ``slow``.
- ``delta``: what one commit changed at one camera: its crossings, and the new absolute totals of the rules they are of.

Totals are absolute and never go back. Crossings come at least once; ``event_id`` tells a repeated one.

Overflow policy of a client's queue, ``forget and start over``: when a client has not taken ``depth`` messages, all of
them are dropped, and the next thing it gets is a fresh snapshot that says how many messages it ``missed``. Until then
it costs one counter.
"""

import asyncio
import json
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

from schema.events import Committed, Totals
from schema.queries.totals import LiveRule
from schema.wire import crossing_event

Reason = Literal["joined", "changed", "restarted", "slow"]


class LiveClient:
    """One client's place in the hub: a bounded queue of encoded messages.

    A client that sends acknowledgements is held to ``window`` messages on the way. Without them only the transport
    tells that a client is slow, and a proxy in between may hide that.
    """

    def __init__(self, hub: "LiveHub", cameras: frozenset[str] | None, *, depth: int, window: int) -> None:
        self._hub = hub
        self.cameras = cameras
        self._depth = depth
        self._window = window
        self._queue: deque[str] = deque()
        self._behind = False
        self._missed = 0
        self._sent = 0
        self._acknowledged: int | None = None
        self._wake = asyncio.Event()

    def wants(self, camera: str) -> bool:
        """Whether this client asked for the camera; one that named none asked for all."""
        return self.cameras is None or camera in self.cameras

    def offer(self, body: str) -> None:
        """Queue the body of a message; never waits."""
        if self._behind:
            self._missed += 1
            return
        self._queue.append(body)
        if len(self._queue) > self._depth:
            self._behind = True
            self._missed = len(self._queue)
            self._queue.clear()
        self._wake.set()

    def acknowledge(self, seq: int) -> None:
        """Note that the client has taken everything up to message ``seq``."""
        self._acknowledged = max(self._acknowledged or 0, min(seq, self._sent))
        self._wake.set()

    async def next(self) -> str:
        """Wait for the next message and number it."""
        while not self._may_send():
            self._wake.clear()
            await self._wake.wait()
        if self._behind:
            body = self._hub.snapshot(self.cameras, "slow", self._missed)
            self._behind, self._missed = False, 0
        else:
            body = self._queue.popleft()
        self._sent += 1
        return f'{{"seq":{self._sent},{body}'

    def _may_send(self) -> bool:
        if self._acknowledged is not None and self._sent - self._acknowledged >= self._window:
            return False
        return bool(self._queue) or self._behind


class LiveHub:
    """Knows the totals of every rule and passes changes to all clients. Lives on one event loop."""

    def __init__(self, *, depth: int = 256, window: int = 64) -> None:
        self._depth = depth
        self._window = window
        self._rules: dict[int, LiveRule] = {}
        self._encoded: dict[int, str] = {}
        self._clients: set[LiveClient] = set()

    def __len__(self) -> int:
        """How many clients there are."""
        return len(self._clients)

    def rules(self) -> list[LiveRule]:
        """All rules in force with their totals so far."""
        return list(self._rules.values())

    def join(self, cameras: frozenset[str] | None = None) -> LiveClient:
        """Add a client that wants these cameras, or all; its first message is a snapshot."""
        client = LiveClient(self, cameras, depth=self._depth, window=self._window)
        client.offer(self.snapshot(cameras, "joined"))
        self._clients.add(client)
        return client

    def leave(self, client: LiveClient) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def strangers(self, committed: Committed) -> set[int]:
        """Ids of the rules in the news that are not known here."""
        return {news.rule_id for news in (*committed.totals, *committed.crossings)} - self._rules.keys()

    def start_over(self, rules: Iterable[LiveRule]) -> None:
        """Take these rules for the whole truth, whatever was known; every client gets a snapshot."""
        self._rules, self._encoded = {}, {}
        for rule in rules:
            self._put(rule)
        self._offer_snapshots(self._clients, "restarted")

    def refresh(self, rules: Sequence[LiveRule]) -> None:
        """Heal from the store: clients of a camera whose rules changed get a snapshot, the others what they missed.

        Numbers that are newer here than in ``rules`` stand: news may arrive while the store is being read.
        """
        current = {rule.totals.rule_id: rule for rule in rules}
        gone = [rule_id for rule_id in self._rules if rule_id not in current]
        new = [rule for rule_id, rule in current.items() if rule_id not in self._rules]
        edited = {self._rules[rule_id].camera for rule_id in gone} | {rule.camera for rule in new}
        for rule_id in gone:
            del self._rules[rule_id], self._encoded[rule_id]
        for rule in new:
            self._put(rule)
        concerned = [client for client in self._clients if any(client.wants(camera) for camera in edited)]
        self._offer_snapshots(concerned, "changed")
        self.apply(Committed(totals=tuple(rule.totals for rule in rules)))

    def apply(self, committed: Committed) -> None:
        """Pass on what was committed, camera by camera; totals that are not newer than those known are left out."""
        totals: dict[str, list[str]] = {}
        crossings: dict[str, list[dict[str, Any]]] = {}
        for news in committed.totals:
            known = self._rules.get(news.rule_id)
            if known and news.revision > known.totals.revision:
                self._put(LiveRule(camera=known.camera, kind=known.kind, totals=news))
                totals.setdefault(known.camera, []).append(self._encoded[news.rule_id])
        for crossing in committed.crossings:
            if rule := self._rules.get(crossing.rule_id):
                crossings.setdefault(rule.camera, []).append(crossing_event(crossing))
        for camera in totals.keys() | crossings.keys():
            self._broadcast(camera, totals.get(camera, ()), crossings.get(camera, ()))

    def snapshot(self, cameras: frozenset[str] | None, reason: Reason, missed: int = 0) -> str:
        """The body of a snapshot of these cameras, or of all."""
        wanted = (
            self._encoded[rule_id] for rule_id, rule in self._rules.items() if cameras is None or rule.camera in cameras
        )
        return f'"type":"snapshot","reason":"{reason}","missed":{missed},"totals":[{",".join(wanted)}]}}'

    def _offer_snapshots(self, clients: Iterable[LiveClient], reason: Reason) -> None:
        bodies: dict[frozenset[str] | None, str] = {}
        for client in clients:
            if client.cameras not in bodies:
                bodies[client.cameras] = self.snapshot(client.cameras, reason)
            client.offer(bodies[client.cameras])

    def _broadcast(self, camera: str, totals: Collection[str], crossings: Collection[dict[str, Any]]) -> None:
        events = json.dumps(list(crossings), separators=(",", ":"))
        body = f'"type":"delta","camera":{json.dumps(camera)},"crossings":{events},"totals":[{",".join(totals)}]}}'
        for client in self._clients:
            if client.wants(camera):
                client.offer(body)

    def _put(self, rule: LiveRule) -> None:
        self._rules[rule.totals.rule_id] = rule
        self._encoded[rule.totals.rule_id] = json.dumps(encode_rule(rule), separators=(",", ":"))


def encode_rule(rule: LiveRule) -> dict[str, Any]:
    """A rule's totals as clients read them; ``occupancy`` is a signed sum."""
    return {
        "camera": rule.camera,
        "camera_id": rule.totals.camera_id,
        "rule": rule.totals.rule,
        "rule_id": rule.totals.rule_id,
        "kind": rule.kind,
        "revision": rule.totals.revision,
        **encode_totals(rule.totals.totals),
        "occupancy": rule.totals.occupancy,
    }


def encode_totals(totals: Totals) -> dict[str, int]:
    """Raw and effective counts."""
    return {
        "count_in": totals.count_in,
        "count_out": totals.count_out,
        "effective_in": totals.effective_in,
        "effective_out": totals.effective_out,
    }
