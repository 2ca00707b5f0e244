"""What is said on the live channel, and how totals lie in Redis: shared by who writes and who reads."""

import json

from schema.events import Committed, RuleTotals
from schema.wire import dump, pack_crossing, pack_totals, unpack_crossing, unpack_totals


def encode(committed: Committed) -> bytes:
    """One message of the live channel: new crossings and the absolute totals that they changed."""
    return dump(
        {
            "crossings": [pack_crossing(crossing) for crossing in committed.crossings],
            "totals": [pack_totals(totals) for totals in committed.totals],
        }
    )


def decode(message: bytes) -> Committed:
    """What ``encode`` encoded."""
    values = json.loads(message)
    return Committed(
        crossings=tuple(unpack_crossing(crossing) for crossing in values["crossings"]),
        totals=tuple(unpack_totals(totals) for totals in values["totals"]),
    )


def encode_totals(totals: RuleTotals) -> bytes:
    """One field of a camera's hash; the field's name is the rule's id."""
    return dump(pack_totals(totals))


def decode_totals(value: bytes) -> RuleTotals:
    """What ``encode_totals`` encoded."""
    return unpack_totals(json.loads(value))
