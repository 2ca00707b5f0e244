"""What names a person in text, and that no place with data is forgotten."""

import json
from collections import Counter

import pytest

from actors.queue.topology import QUEUES
from schema.cache.families import FAMILIES
from schema.privacy.inventory import INVENTORY
from schema.privacy.mentions import Mentions
from schema.tables import Base
from schema.tables.files import KINDS as FILE_KINDS
from schema.tiers.kinds import KINDS as ARCHIVE_KINDS

ADA = Mentions(name="ada", addresses={"ada@example.org", "192.0.2.1"}, marker="erased-7")


def places(store: str) -> Counter[str]:
    return Counter(
        f"{place.name}.{part}" if place.parts else place.name
        for place in INVENTORY
        if place.store == store
        for part in place.parts or ("",)
    )


def test_every_column_family_queue_and_kind_of_file_is_in_the_inventory():
    columns = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns}
    assert places("table").keys() == columns
    assert places("redis").keys() == {family.name for family in FAMILIES}
    assert places("queue").keys() == set(QUEUES)
    assert places("files").keys() == set(FILE_KINDS)
    assert places("archive").keys() == {f"{kind.name}.{column}" for kind in ARCHIVE_KINDS for column, _ in kind.columns}


def test_what_is_personal_says_what_becomes_of_it():
    for place in INVENTORY:
        assert place.whose == "nobody" or (place.export and place.erase), place


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("ada was here.", "erased-7 was here."),
        ("by ada", "by erased-7"),
        ("/home/ada/a.mp4", "/home/erased-7/a.mp4"),
        ("Ask ADA@Example.org, from 192.0.2.1.", "Ask erased-7, from erased-7."),
        ("Ada, canada, ada.b, ada-b, ada@other.org, x.ada@example.org, 192.0.2.10", None),
    ],
)
def test_a_person_is_meant_where_the_whole_word_stands(said: str, left: str | None):
    assert ADA.text(said) == (left or said)


def test_a_message_that_names_nobody_stays_as_it_is_to_the_byte():
    for body in (b'{ "a" : "canada" }', b"\xff\xfe", b"", b"[1, 2.50]"):
        assert ADA.message(body) is body or ADA.message(body) == body


def test_words_of_ours_are_not_taken_for_a_name():
    somebody = Mentions(name="in", addresses=(), marker="erased-7")
    for body in (
        b'{"type":"crossing","direction":"in"}',
        b'{"job_id":1,"kind":"in"}',
        b'{"type":"alert","alert":"in"}',
    ):
        assert somebody.message(body) == body
    told = json.loads(somebody.message(b'{"type":"alert","alert":"in","message":"it was in"}'))
    assert told == {"type": "alert", "alert": "in", "message": "it was erased-7"}


def test_text_that_is_not_json_loses_the_name_and_nothing_else():
    assert ADA.message(b"\xff by ada \xfe") == b"\xff by erased-7 \xfe"
    assert json.loads(ADA.message(b'{"by": ["ada", {"ada": "ada"}], "n": 1.5}')) == {
        "by": ["erased-7", {"ada": "erased-7"}],
        "n": 1.5,
    }
