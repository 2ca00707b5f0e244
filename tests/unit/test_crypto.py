"""Sealed values open with their key in their column only; keys are refused in one sentence that shows none."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.crypto import CAMERA_SOURCE, SEALED, USER_EMAIL, Keyring, add_key, key_id_of, make_key_file, token_digest
from schema.crypto.key_file import read_key_file
from schema.errors import BadInput

OLD, NEW, INDEX = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3))
BEFORE = Keyring.parse(f"old:{OLD}\nindex:{INDEX}\n", "keys")
AFTER = Keyring.parse(f"# newest first\nnew:{NEW}\n\nold:{OLD}\nindex:{INDEX}\n", "keys")
ADDRESS = "rtsp://joe:geheim@10.0.0.1/1"


@given(st.text())
def test_what_was_sealed_opens_as_it_was(text: str):
    assert CAMERA_SOURCE.open(BEFORE, CAMERA_SOURCE.seal(BEFORE, text)) == text


def test_equal_texts_are_sealed_differently_and_show_nothing():
    one, two = (CAMERA_SOURCE.seal(BEFORE, ADDRESS) for _ in range(2))
    assert one != two
    assert b"geheim" not in one


def test_the_newest_key_seals_and_older_ones_still_open():
    before, after = CAMERA_SOURCE.seal(BEFORE, ADDRESS), CAMERA_SOURCE.seal(AFTER, ADDRESS)
    assert (key_id_of(before, column="x"), key_id_of(after, column="x")) == ("old", "new")
    assert CAMERA_SOURCE.open(AFTER, before) == CAMERA_SOURCE.open(AFTER, after) == ADDRESS


def test_a_value_moved_to_another_column_does_not_open():
    with pytest.raises(BadInput, match=r"users\.email_sealed does not open with the key 'old'"):
        USER_EMAIL.open(BEFORE, CAMERA_SOURCE.seal(BEFORE, ADDRESS))


def test_a_missing_key_is_named():
    with pytest.raises(BadInput, match=r"key 'new', which sealed cameras\.source_sealed, is not among .* \(old\)"):
        CAMERA_SOURCE.open(BEFORE, CAMERA_SOURCE.seal(AFTER, ADDRESS))


def test_another_key_under_the_same_id_is_named():
    other = replace(BEFORE, keys={"old": bytes(32)})
    with pytest.raises(BadInput, match="does not open with the key 'old': give the key that had this id"):
        CAMERA_SOURCE.open(other, CAMERA_SOURCE.seal(BEFORE, ADDRESS))


@pytest.mark.parametrize("place", [0, 1, 3, 8, 20, -1])
def test_a_damaged_value_is_refused(place: int):
    sealed = bytearray(CAMERA_SOURCE.seal(BEFORE, ADDRESS))
    sealed[place] ^= 1
    with pytest.raises(BadInput, match=r"cameras\.source_sealed"):
        CAMERA_SOURCE.open(BEFORE, bytes(sealed))


def test_a_cut_value_is_refused():
    sealed = CAMERA_SOURCE.seal(BEFORE, ADDRESS)
    for length in range(len(sealed)):
        with pytest.raises(BadInput, match=r"cameras\.source_sealed"):
            CAMERA_SOURCE.open(BEFORE, sealed[:length])


def test_people_are_found_however_they_write_their_address():
    index = USER_EMAIL.blind_index(BEFORE, "Jürgen@Example.org")
    assert len(index) == 16
    assert USER_EMAIL.blind_index(AFTER, " ju\u0308rgen@EXAMPLE.ORG ") == index
    assert USER_EMAIL.blind_index(BEFORE, "jurgen@example.org") != index
    assert CAMERA_SOURCE.blind_index(BEFORE, "Jürgen@Example.org") != index
    with pytest.raises(BadInput, match=r"'index', by which users\.email_sealed is searched"):
        USER_EMAIL.blind_index(replace(BEFORE, index_key=None), "a@b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no key to seal with"),
        (f"index:{INDEX}", "holds no key to seal with"),
        ("k1", "line 1 is not a key"),
        (f"two words:{OLD}", "line 1 is not a key"),
        (f"k1:{OLD}\nk2:{OLD[:-4]}", "line 2: the key 'k2' has 30 bytes"),
        ("k1:not base64!", "the key 'k1' is not base64"),
        (f"k1:{OLD}\nk1:{NEW}", "the key id 'k1' is given twice"),
    ],
)
def test_malformed_keys_are_refused_without_showing_them(text: str, says: str):
    with pytest.raises(BadInput, match=says) as raised:
        Keyring.parse(text, "keys")
    assert OLD[:8] not in str(raised.value)


def test_keys_are_not_shown():
    assert OLD not in repr(AFTER)
    assert str(bytes([1]) * 32) not in repr(AFTER)


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path):
    file = tmp_path / "state" / "keys"
    assert make_key_file(file)
    made = file.read_text()
    assert not make_key_file(file)
    assert file.read_text() == made
    assert file.stat().st_mode & 0o777 == 0o600
    keyring = read_key_file(file)
    assert keyring.index_key is not None
    assert [entry.name for entry in file.parent.iterdir()] == ["keys"]


def test_an_added_key_seals_and_the_others_stay(tmp_path: Path):
    file = tmp_path / "keys"
    make_key_file(file)
    sealed = CAMERA_SOURCE.seal(read_key_file(file), ADDRESS)
    add_key(file, "k2")
    assert read_key_file(file).newest == "k2"
    assert CAMERA_SOURCE.open(read_key_file(file), sealed) == ADDRESS
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadInput, match="'k2' is given twice"):
        add_key(file, "k2")


def test_a_missing_key_file_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match=r"key file .*/keys cannot be read .No such file"):
        read_key_file(tmp_path / "keys")


def test_a_token_is_known_by_its_digest():
    assert token_digest("abc") == token_digest("abc") != token_digest("abd")
    assert len(token_digest("abc")) == 32


def test_the_sealed_columns_are_all_different():
    assert len({str(column) for column in SEALED}) == len(SEALED)
