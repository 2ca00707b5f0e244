"""How a dead letter is read: whatever lies in the queue."""

import pika
import pytest

from actors.queue.dead_letters import DeadLetter


def letter(body: bytes) -> DeadLetter:
    return DeadLetter(
        id="1",
        exchange=None,
        routing_key="",
        queue="",
        reason="",
        died_ns=None,
        body=body,
        properties=pika.BasicProperties(),
    )


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"{", b"NaN,", "ß".encode("latin-1")])
def test_what_is_not_json_has_no_content(body: bytes):
    assert letter(body).content is None


def test_json_has_its_content():
    assert letter(b'{"job_id": 1}').content == {"job_id": 1}
