"""``turnstile cameras`` and ``turnstile zones``: edits on a real database, refusals in one line."""

import json
from typing import Any

import pytest

from tests.integration.commands import Turnstile

pytestmark = pytest.mark.integration


def shown(turnstile: Turnstile, name: str) -> dict[str, Any]:
    return json.loads(turnstile("cameras", "show", name, "--json")[1])


def test_a_camera_is_added_shown_changed_and_removed(turnstile: Turnstile) -> None:
    source = "rtsp://viewer:geheim@10.0.0.7/1"
    assert turnstile("cameras", "add", "lobby", source, "--line", "door=0.5,0,0.5,1") == (0, "added camera lobby\n", "")
    assert shown(turnstile, "lobby")["source"] == "rtsp://***@10.0.0.7/1"
    assert "geheim" not in turnstile("cameras", "list")[1]
    assert turnstile("cameras", "change", "lobby", "--disable", "--detect-fps", "all")[0] == 0
    camera = shown(turnstile, "lobby")
    assert (camera["enabled"], camera["detect_fps"], list(camera["lines"])) == (False, "all", ["door"])
    assert turnstile("cameras", "remove", "lobby")[0] == 0
    assert json.loads(turnstile("cameras", "list", "--json")[1]) == []


def test_lines_and_zones_are_edited_one_by_one(turnstile: Turnstile) -> None:
    turnstile("cameras", "add", "yard", "rtsp://10.0.0.8/1", "--line", "gate=0.5,0,0.5,1")
    assert turnstile("zones", "add", "yard", "--line", "side=0,0.5,1,0.5", "--flip")[0] == 0
    assert turnstile("zones", "change", "yard", "--line", "side=0,0.6,1,0.6")[0] == 0
    side = shown(turnstile, "yard")["lines"]["side"]
    assert (side["version"], side["flip"], side["coordinates"]) == (2, True, [0, 0.6, 1, 0.6])
    assert turnstile("zones", "remove", "yard", "gate")[0] == 0
    rules = json.loads(turnstile("zones", "list", "yard", "--json")[1])
    assert [rule["name"] for rule in rules] == ["side"]
    turnstile("cameras", "remove", "yard")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cameras", "add", "there", "rtsp://10.0.0.9/1"), "already"),
        (("cameras", "add", "new", "missing.mp4"), "there is no file"),
        (("cameras", "add", "new", "ftp://host/x"), "rtsp, rtsps, http or https"),
        (("cameras", "add", "a b", "rtsp://10.0.0.9/1"), "camera name 'a b' is not usable"),
        (("cameras", "add", "new", "rtsp://x/1", "--line", "a=0.5,0.5,0.5,0.5"), "same point"),
        (("cameras", "add", "new", "rtsp://x/1", "--line", "a=0,0,1,1", "--zone", "a=0,0,1,0,1,1"), "2 times"),
        (("cameras", "add", "new", "rtsp://x/1", "--detect-fps", "often"), "--detect-fps"),
        (("cameras", "add", "new", "rtsp://x/1", "--detect-fps", "0"), "detect_fps 0"),
        (("cameras", "change", "there"), "nothing to change"),
        (("cameras", "show", "nobody"), "no camera 'nobody'"),
        (("cameras", "remove", "nobody"), "no camera 'nobody'"),
        (("zones", "list", "nobody"), "no camera 'nobody'"),
        (("zones", "add", "there"), "no line or zone given"),
        (("zones", "add", "there", "--line", "new=0,0,1,1", "--line", "door=0,0,1,1"), "'door' already"),
        (("zones", "change", "there", "--line", "nothing=0,0,1,1"), "no line or zone 'nothing'"),
        (("zones", "remove", "there", "nothing"), "no line or zone 'nothing'"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_changes_nothing(
    turnstile: Turnstile, arguments: tuple[str, ...], words: str
) -> None:
    turnstile("cameras", "add", "there", "rtsp://10.0.0.7/1", "--line", "door=0.5,0,0.5,1")
    before = turnstile("cameras", "list", "--json")
    code, out, err = turnstile(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert words in err
    assert turnstile("cameras", "list", "--json") == before
