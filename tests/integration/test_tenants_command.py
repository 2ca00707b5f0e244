"""``turnstile tenants``, commands that act for one, and what is said of the login, as a user calls them."""

import json

import pytest
import yaml

from cluster.cli import run

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def settings(tmp_path_factory, dsn):
    """A settings file that names this module's database."""
    folder = tmp_path_factory.mktemp("tenants")
    file = folder / "turnstile.yaml"
    file.write_text(yaml.safe_dump({"home": str(folder), "postgres_dsn": dsn}))
    return str(file)


@pytest.fixture
def turnstile(settings, capfd):
    def call(*arguments, code=0):
        assert run([*arguments, "--config", settings]) == code, capfd.readouterr().err
        said = capfd.readouterr()
        return said.err if code else said.out

    return call


def test_a_tenant_is_added_changed_and_shown(turnstile):
    assert [tenant["name"] for tenant in json.loads(turnstile("tenants", "list", "--json"))] == ["default"]
    turnstile("tenants", "add", "museum", "--hot-days", "7")
    turnstile("tenants", "set", "museum", "--evidence-days", "3")
    shown = json.loads(turnstile("tenants", "show", "museum", "--json"))
    assert (shown["hot_days"], shown["warm_days"], shown["evidence_days"]) == (7, 365, 3)
    assert "museum" in turnstile("tenants", "list")


def test_commands_act_for_the_tenant_that_is_named(turnstile):
    turnstile("tenants", "add", "shop")
    turnstile("cameras", "add", "door", "rtsp://shop/1", "--line", "l=0,0,1,1", "--tenant", "shop")
    turnstile("cameras", "add", "door", "rtsp://default/1")
    turnstile("zones", "add", "door", "--line", "m=0,1,1,0", "--tenant", "shop")
    (camera,) = json.loads(turnstile("cameras", "list", "--json", "--tenant", "shop"))
    assert set(camera["lines"]) == {"l", "m"}
    (camera,) = json.loads(turnstile("cameras", "list", "--json"))
    assert camera["lines"] == {}


def test_the_setting_names_the_tenant_where_the_command_line_does_not(turnstile, monkeypatch):
    turnstile("tenants", "add", "depot")
    monkeypatch.setenv("TURNSTILE_TENANT", "depot")
    assert json.loads(turnstile("cameras", "list", "--json")) == []
    assert len(json.loads(turnstile("cameras", "list", "--json", "--tenant", "default"))) == 1


def test_a_tenant_that_does_not_exist_is_answered_with_those_that_do(turnstile):
    said = turnstile("cameras", "list", "--tenant", "nobody", code=2)
    assert "no tenant 'nobody': there are 'default'" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "default"), "there is a tenant 'default' already"),
        (("add", "a/b"), "not usable"),
        (("set", "default"), "nothing to change: give --hot-days"),
        (("set", "default", "--hot-days", "500"), "no less than the one before"),
        (("show", "nobody"), "no tenant 'nobody'"),
    ],
)
def test_an_impossible_change_says_what_to_do(turnstile, arguments, says):
    assert says in turnstile("tenants", *arguments, code=2)


def test_a_superuser_as_login_is_worth_a_word(turnstile):
    assert "superuser" in " ".join(turnstile("db", "status").split())
