"""Settings are complete and right, or one sentence says which key is wrong and what to do."""

from pathlib import Path

import pytest

from schema.errors import BadInput
from schema.geometry import Line, Point
from schema.settings import Settings, load_settings

FILE = """
model: ssdlite
api: {port: 9000}
cameras:
  hall:
    source: rtsp://viewer:${HALL_PASSWORD}@10.0.0.5/stream
    detect_fps: all
    lines:
      door: [0.5, 0, 0.5, 1]
      gate: {coordinates: "0.2,0,0.2,1", flip: true, u_turn_s: 3}
    zones:
      desk: 0.1,0.1,0.9,0.1,0.5,0.9
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "turnstile.yaml"
        file.write_text(text)
        return file

    return write


def test_nothing_given_means_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {"XDG_CACHE_HOME": "/caches"})
    assert settings.model == "auto"
    assert settings.home == tmp_path / ".turnstile"
    assert settings.cache == Path("/caches/turnstile")
    assert settings.postgres_dsn is None
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8000)


def test_the_file_in_the_working_folder_is_found(write, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(write("model: ssdlite").parent)
    assert load_settings(None, {}).model == "ssdlite"


def test_a_camera_becomes_a_spec_with_its_secret_filled_in(write):
    settings = load_settings(write(FILE), {"HALL_PASSWORD": "hush"})
    spec = settings.cameras["hall"].spec(camera_id=4, name="hall")
    assert spec.source == "rtsp://viewer:hush@10.0.0.5/stream"
    assert spec.detect_fps is None
    assert spec.scene.lines == (
        Line(name="door", a=Point(x=0.5, y=0), b=Point(x=0.5, y=1)),
        Line(name="gate", a=Point(x=0.2, y=0), b=Point(x=0.2, y=1), flip=True, u_turn_s=3),
    )
    assert [zone.name for zone in spec.scene.zones] == ["desk"]


def test_the_environment_wins_over_the_file(write):
    settings = load_settings(write(FILE), {"HALL_PASSWORD": "x", "TURNSTILE_API__PORT": "9001", "TURNSTILE_MODEL": ""})
    assert settings.api.port == 9001
    assert settings.model == "ssdlite", "an empty variable sets nothing"


def test_secrets_are_not_shown(write):
    settings = load_settings(
        write(FILE), {"HALL_PASSWORD": "hush", "TURNSTILE_POSTGRES_DSN": "postgresql://a:hush@b/c"}
    )
    assert "hush" not in repr(settings)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().model = "other"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle: x", "unknown key 'modle': did you mean 'model'?"),
        ("api: {prot: 1}", "api: unknown key 'prot': did you mean 'port'?"),
        ("cameras: {h: {source: a, lines: {d: {flp: true}}}}", "cameras.h.lines.d: unknown key 'flp'"),
        ("api: {port: 70000}", "api.port: should be less than or equal to 65535, not 70000"),
        ("api: 3", "api: needs keys of its own, not 3"),
        ("cameras: {h: {lines: {}}}", "cameras.h.source is missing: add it"),
        ("cameras: {h: {source: a, lines: {d: [0.1,0.2,0.1,0.2]}}}", "line 'd' starts and ends at the same point"),
        ("cameras: {h: {source: a, lines: {d: [0,0,2,1]}}}", "line 'd': coordinate 2 is outside 0..1"),
        ("cameras: {h: {source: a, lines: {d: [0,0,1]}}}", "line 'd' has an odd count of coordinates (3)"),
        ("cameras: {h: {source: a, zones: {z: [0,0,1,1,1,0,0,1]}}}", "zone 'z' crosses itself"),
        ("cameras: {h: {source: a, lines: {d: [0,0,1,1]}, zones: {d: [0,0,1,0,1,1]}}}", "'d' is used 2 times"),
        ("cameras: {h: {source: a}, h: {source: b}}", "the key 'h' is given twice"),
        ("cameras: {a b: {source: x}}", "camera name 'a b' is not usable"),
        ("cameras: {h: {source: '${NOWHERE}'}}", "cameras.h.source wants the environment variable NOWHERE"),
        ("detector: {min_replicas: 9}", "max_replicas 8 is below min_replicas 9"),
        ("a: [", "is not valid YAML in line 1"),
        ("- x", "holds no keys"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_that_names_file_and_key(write, text: str, sentence: str):
    file = write(text)
    with pytest.raises(BadInput) as caught:
        load_settings(file, {})
    assert sentence in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variable", ["TURNSTILE_MODLE", "TURNSTILE_API__PROT", "TURNSTILE_API"])
def test_a_mistake_in_the_environment_names_the_variable(write, variable: str):
    with pytest.raises(BadInput, match=f"^{variable}: "):
        load_settings(write(""), {variable: "1"})


def test_an_address_of_the_wrong_kind_is_refused_without_being_shown(write):
    with pytest.raises(BadInput, match=r"redis_url: .* does not start with redis://") as caught:
        load_settings(write("redis_url: http://:hush@host"), {})
    assert "hush" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match=r"none\.yaml cannot be read"):
        load_settings(tmp_path / "none.yaml", {})
