"""A process finds its keys by its environment, and a home without keys gets some."""

from pathlib import Path

import pytest

from cluster.home import use_keys
from schema.crypto import add_key, keyring, make_key_file
from schema.crypto.key_file import read_key_file
from schema.errors import BadInput
from schema.settings import KEYS_FILE_VARIABLE, KEYS_VARIABLE, Settings, load_settings, named_keys


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set first, so that what the code under test sets is taken back, too.
    for variable in (KEYS_VARIABLE, KEYS_FILE_VARIABLE):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)


def test_a_home_without_keys_gets_a_file_for_its_owner_only(tmp_path: Path):
    use_keys(Settings(home=tmp_path))
    file = tmp_path / "keys"
    assert file.stat().st_mode & 0o777 == 0o600
    assert named_keys().file == file
    assert keyring() == read_key_file(file)
    use_keys(Settings(home=tmp_path))
    assert keyring() == read_key_file(file)


def test_the_first_settings_decide_for_the_process(tmp_path: Path):
    use_keys(Settings(home=tmp_path / "one"))
    use_keys(Settings(home=tmp_path / "two"))
    assert named_keys().file == tmp_path / "one" / "keys"
    assert not (tmp_path / "two").exists()


def test_a_named_file_must_be_there(tmp_path: Path):
    use_keys(Settings(home=tmp_path, keys_file=tmp_path / "mine"))
    with pytest.raises(BadInput, match=r"key file .*/mine cannot be read"):
        keyring()
    assert list(tmp_path.iterdir()) == []


def test_keys_may_come_from_the_environment_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "elsewhere"
    make_key_file(file)
    monkeypatch.setenv(KEYS_VARIABLE, file.read_text())
    settings = load_settings(None, {KEYS_VARIABLE: file.read_text(), "TURNSTILE_HOME": str(tmp_path / "home")})
    use_keys(settings)
    assert keyring() == read_key_file(file)
    assert not (tmp_path / "home").exists()
    assert file.read_text() not in repr(settings)


def test_malformed_keys_name_the_variable_and_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(KEYS_VARIABLE, "k1:geheim")
    with pytest.raises(BadInput, match="TURNSTILE_KEYS, line 1: the key 'k1' is not base64") as raised:
        keyring()
    assert "geheim" not in str(raised.value)


def test_a_key_that_is_added_to_the_file_is_used_at_once(tmp_path: Path):
    use_keys(Settings(home=tmp_path))
    add_key(tmp_path / "keys", "k2")
    assert keyring().newest == "k2"


def test_without_any_keys_the_fix_is_named():
    with pytest.raises(BadInput, match="set keys_file"):
        keyring()
