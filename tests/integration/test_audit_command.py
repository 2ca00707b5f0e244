"""``turnstile db audit``: what changed, and whether somebody has altered the trail of it."""

import json

import psycopg
import pytest

from tests.integration.commands import Turnstile

pytestmark = pytest.mark.integration


def test_changes_are_listed_and_an_altered_trail_is_named(turnstile: Turnstile, dsn: str):
    assert turnstile("cameras", "add", "lobby", "rtsp://joe:geheim@10.0.0.7/1")[0] == 0
    assert turnstile("cameras", "change", "lobby", "--disable")[0] == 0

    code, said, _ = turnstile("db", "audit", "list", "--json")
    newest, oldest = json.loads(said)
    assert code == 0
    assert (newest["position"], newest["action"], newest["table"], newest["new"]) == (
        2, "update", "cameras", {"enabled": False},
    )  # fmt: skip
    assert oldest["new"]["source"] == {"changed": True}
    assert [
        entry["position"] for entry in json.loads(turnstile("db", "audit", "list", "--before", "2", "--json")[1])
    ] == [1]
    assert "nobody known" in turnstile("db", "audit", "list")[1]

    code, said, _ = turnstile("db", "audit", "verify", "--json")
    chains = {chain["chain"]: chain for chain in json.loads(said)}
    assert code == 0
    assert set(chains) == {"(system)", "default"}
    assert (chains["default"]["entries"], chains["default"]["broken"]) == (2, None)
    noted = ("--tenant", "default", "--noted", chains["default"]["newest"])
    assert turnstile("db", "audit", "verify", *noted)[0] == 0

    with psycopg.connect(dsn, autocommit=True) as superuser:
        superuser.execute("set session_replication_role = replica")
        superuser.execute("update audit_logs set login = 'nobody' where position = 2")
    code, said, _ = turnstile("db", "audit", "verify", "--json")
    assert code == 1
    (broken,) = (chain["broken"] for chain in json.loads(said) if chain["broken"])
    assert (broken["fault"], broken["position"], broken["id"] > 0) == ("changed", 2, True)
    assert broken["message"].endswith("was changed")
    assert turnstile("db", "audit", "verify", "--system")[0] == 0


def test_whoever_reveals_an_address_is_recorded(turnstile: Turnstile):
    turnstile("cameras", "add", "yard", "rtsp://joe:geheim@10.0.0.8/1")
    assert "geheim" not in turnstile("cameras", "show", "yard")[1]
    assert "rtsp://joe:geheim@10.0.0.8/1" in turnstile("cameras", "show", "yard", "--reveal")[1]
    shown = json.loads(turnstile("cameras", "show", "yard", "--reveal", "--json")[1])
    assert shown["source"] == "rtsp://joe:geheim@10.0.0.8/1"
    entries = json.loads(turnstile("db", "audit", "list", "--limit", "2", "--json")[1])
    assert [(entry["action"], entry["table"], entry["new"]) for entry in entries] == [
        ("read", "cameras", {"what": "camera addresses with credentials"})
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tenant", "nobody"), "there is no tenant 'nobody'"),
        (("--noted", "1:" + 64 * "a"), "give --tenant or --system"),
        (("--system", "--noted", "1"), "like 812:9f86"),
        (("--system", "--noted", "x:ab"), "like 812:9f86"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(turnstile: Turnstile, arguments: tuple[str, ...], says: str):
    code, _, said = turnstile("db", "audit", "verify", *arguments)
    assert code == 2
    assert says in said
