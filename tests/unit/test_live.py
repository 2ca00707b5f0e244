"""The live hub: what a client is sent, and that a slow one costs the others nothing."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, TypeVar
from uuid import UUID

from schema.events import Committed, Crossing, RuleTotals, Totals
from schema.queries.totals import LiveRule
from serve_app.live import LiveClient, LiveHub

T = TypeVar("T")

DOOR = 11
HALL = 21


def totals(rule_id: int, revision: int, **counts: int) -> RuleTotals:
    camera_id, rule = (1, "door") if rule_id == DOOR else (2, "hall")
    return RuleTotals(camera_id=camera_id, rule_id=rule_id, rule=rule, revision=revision, totals=Totals(**counts))


def rules() -> list[LiveRule]:
    return [
        LiveRule(camera="lobby", kind="line", totals=totals(DOOR, 1)),
        LiveRule(camera="yard", kind="zone", totals=totals(HALL, 1)),
    ]


def crossing(rule_id: int = DOOR) -> Crossing:
    return Crossing(
        event_id=UUID(int=7),
        camera_id=1 if rule_id == DOOR else 2,
        epoch="e",
        track_id=3,
        kind="line",
        rule="door",
        rule_id=rule_id,
        direction="in",
        ordinal=0,
        frame=5,
        occurred_ns=1_700_000_000_250_000_000,
        confirmed_ns=1_700_000_000_500_000_000,
        confidence=0.87654321,
        x=0.5,
        y=0.25,
    )


def hub(**sizes: int) -> LiveHub:
    made = LiveHub(**sizes)
    made.start_over(rules())
    return made


def run(waiting: Awaitable[T]) -> T:
    async def soon() -> T:
        return await asyncio.wait_for(waiting, 1)

    return asyncio.run(soon())


async def take(client: LiveClient, count: int) -> list[dict[str, Any]]:
    return [json.loads(await client.next()) for _ in range(count)]


async def nothing_waits(client: LiveClient) -> bool:
    try:
        await asyncio.wait_for(client.next(), 0.01)
    except TimeoutError:
        return True
    return False


def door_in(revision: int, count: int) -> Committed:
    return Committed(crossings=(crossing(),), totals=(totals(DOOR, revision, count_in=count, effective_in=count),))


def test_a_client_gets_a_snapshot_then_numbered_deltas() -> None:
    live = hub()
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        first = await take(client, 1)
        live.apply(door_in(2, 1))
        live.apply(door_in(3, 2))
        return first + await take(client, 2)

    snapshot, one, two = run(story())
    assert [message["seq"] for message in (snapshot, one, two)] == [1, 2, 3]
    assert snapshot["type"] == "snapshot"
    assert snapshot["reason"] == "joined"
    assert {(rule["camera"], rule["rule"], rule["kind"]) for rule in snapshot["totals"]} == {
        ("lobby", "door", "line"),
        ("yard", "hall", "zone"),
    }
    assert one["type"] == "delta"
    assert one["camera"] == "lobby"
    assert one["crossings"][0]["occurred_at"] == "2023-11-14T22:13:20.250000Z"
    assert one["totals"][0]["count_in"] == 1
    assert two["totals"][0]["count_in"] == 2
    assert two["totals"][0]["occupancy"] == 2


def test_a_client_hears_only_of_the_cameras_it_named() -> None:
    live = hub()
    client = live.join(frozenset({"yard"}))

    async def story() -> list[dict[str, Any]]:
        first = await take(client, 1)
        live.apply(door_in(2, 1))
        live.apply(Committed(crossings=(crossing(HALL),), totals=(totals(HALL, 2, count_in=1),)))
        return first + await take(client, 1)

    snapshot, delta = run(story())
    assert [rule["camera"] for rule in snapshot["totals"]] == ["yard"]
    assert (delta["seq"], delta["camera"]) == (2, "yard")


def test_one_commit_over_two_cameras_is_one_delta_a_camera() -> None:
    live = hub()
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        await take(client, 1)
        live.apply(Committed(totals=(totals(DOOR, 2, count_in=1), totals(HALL, 2, count_in=1))))
        return await take(client, 2)

    assert {delta["camera"] for delta in run(story())} == {"lobby", "yard"}


def test_older_totals_are_not_passed_on_but_the_crossing_is() -> None:
    live = hub()
    live.apply(door_in(5, 4))
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        snapshot = await take(client, 1)
        live.apply(door_in(3, 2))
        return snapshot + await take(client, 1)

    snapshot, delta = run(story())
    assert snapshot["totals"][0]["count_in"] == 4
    assert delta["totals"] == []
    assert len(delta["crossings"]) == 1


def test_a_slow_client_is_told_what_it_missed_and_gets_a_fresh_snapshot() -> None:
    live = hub(depth=3)
    slow, quick = live.join(), live.join()

    async def story() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        await take(slow, 1)
        await take(quick, 1)
        taken: list[dict[str, Any]] = []
        for count in range(1, 11):
            live.apply(door_in(1 + count, count))
            taken += await take(quick, 1)
        return await take(slow, 1), taken

    (snapshot,), taken = run(story())
    assert (snapshot["type"], snapshot["reason"], snapshot["missed"]) == ("snapshot", "slow", 10)
    assert snapshot["totals"][0]["count_in"] == 10
    assert [delta["totals"][0]["count_in"] for delta in taken] == list(range(1, 11))


def test_a_client_that_falls_short_of_its_acknowledgements_is_slow() -> None:
    live = hub(depth=3, window=2)
    client = live.join()

    async def story() -> tuple[bool, list[dict[str, Any]]]:
        await take(client, 1)
        client.acknowledge(1)
        for count in range(1, 11):
            live.apply(door_in(1 + count, count))
        client.acknowledge(1)
        first = await take(client, 1)
        live.apply(door_in(20, 19))
        second = await take(client, 1)
        live.apply(door_in(21, 20))
        held = await nothing_waits(client)
        client.acknowledge(3)
        return held, first + second + await take(client, 1)

    held, (snapshot, delta, later) = run(story())
    assert held
    assert (snapshot["reason"], snapshot["missed"]) == ("slow", 10)
    assert [delta["seq"], later["seq"]] == [3, 4]


def test_an_acknowledgement_of_a_message_never_sent_opens_nothing() -> None:
    live = hub(window=1)
    client = live.join()

    async def story() -> bool:
        await take(client, 1)
        client.acknowledge(1_000_000)
        live.apply(door_in(2, 1))
        await take(client, 1)
        live.apply(door_in(3, 2))
        return await nothing_waits(client)

    assert run(story())


def test_a_restarted_channel_gives_everyone_a_snapshot_even_of_smaller_numbers() -> None:
    live = hub()
    live.apply(door_in(5, 4))
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        await take(client, 1)
        live.start_over(rules())
        return await take(client, 1)

    (snapshot,) = run(story())
    assert (snapshot["reason"], snapshot["totals"][0]["count_in"]) == ("restarted", 0)


def test_a_new_rule_gives_a_snapshot_only_to_clients_of_its_camera() -> None:
    live = hub()
    concerned, other = live.join(frozenset({"lobby"})), live.join(frozenset({"yard"}))

    async def story() -> tuple[list[dict[str, Any]], bool]:
        await take(concerned, 1)
        await take(other, 1)
        extra = RuleTotals(camera_id=1, rule_id=12, rule="gate", revision=0, totals=Totals())
        live.refresh([*rules(), LiveRule(camera="lobby", kind="line", totals=extra)])
        return await take(concerned, 1), await nothing_waits(other)

    (snapshot,), quiet = run(story())
    assert (snapshot["reason"], len(snapshot["totals"])) == ("changed", 2)
    assert quiet


def test_a_snapshot_takes_its_turn_so_that_totals_never_go_back_and_no_crossing_is_lost() -> None:
    live = hub()
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        live.apply(door_in(2, 1))
        live.refresh([rules()[0]])
        live.apply(door_in(3, 2))
        return await take(client, 4)

    joined, first, changed, second = run(story())
    assert [joined["type"], first["type"], changed["type"], second["type"]] == [
        "snapshot",
        "delta",
        "snapshot",
        "delta",
    ]
    counts = [message["totals"][0]["count_in"] for message in (joined, first, changed, second)]
    assert counts == [0, 1, 1, 2]


def test_a_refresh_heals_what_a_lost_message_left_behind_and_takes_nothing_back() -> None:
    live = hub()
    live.apply(door_in(5, 4))
    client = live.join()

    async def story() -> list[dict[str, Any]]:
        await take(client, 1)
        live.refresh(
            [
                LiveRule(camera="lobby", kind="line", totals=totals(DOOR, 4, count_in=3)),
                LiveRule(camera="yard", kind="zone", totals=totals(HALL, 2, count_in=1)),
            ]
        )
        return await take(client, 1)

    (delta,) = run(story())
    assert delta["camera"] == "yard"
    assert delta["totals"][0]["count_in"] == 1


def test_news_of_a_rule_nobody_knows_is_recognised() -> None:
    live = hub()
    assert live.strangers(door_in(2, 1)) == set()
    assert live.strangers(Committed(crossings=(crossing(99),))) == {99}
