"""Requests for jobs: what is stored of them, and what is refused in one sentence."""

import pytest

from schema.errors import BadInput
from schema.jobs import ARGUMENTS, KINDS, BackfillArguments, check_arguments

BACKFILL = {"video": "/videos/a.mp4", "camera": "lobby"}


def test_what_is_stored_is_what_was_given_with_times_as_text():
    given = {"what": "counts", "from": "2026-05-01T02:00:00+02:00", "to": "2026-06-01T00:00:00Z"}
    kind, stored = check_arguments("export", given)
    assert (kind, stored["what"], set(stored)) == ("export", "counts", {"what", "from", "to"})
    assert check_arguments("export", stored) == (kind, stored)


def test_the_lines_of_a_backfill_become_a_scene():
    _, stored = check_arguments(
        "backfill", {**BACKFILL, "lines": {"door": "0.5,0,0.5,1"}, "zones": {"h": "0,0,1,0,1,1"}}
    )
    scene = BackfillArguments.model_validate(stored).scene
    assert [rule.name for rule in scene.rules] == ["door", "h"]


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("erase", {}, "there are no jobs 'erase'"),
        ("export", {"what": "counts", "from": "2026-05-01", "to": "2026-06-01T00:00:00Z"}, "export.*from"),
        ("export", {"what": "counts", "from": "2026-05-01T00:00:00", "to": "2026-06-01T00:00:00Z"}, "timezone"),
        ("backfill", {**BACKFILL, "speed": 2}, "a job 'backfill' cannot have speed"),
        ("backfill", {**BACKFILL, "lines": {"door": [0, 0, 1]}}, "odd count of coordinates"),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(kind: str, given: dict, says: str):
    with pytest.raises(BadInput, match=says) as raised:
        check_arguments(kind, given)
    assert "\n" not in str(raised.value)


def test_only_known_kinds_have_arguments():
    assert ARGUMENTS.keys() <= set(KINDS)
