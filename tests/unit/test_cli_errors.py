"""What goes wrong on the command line is one line on standard error and an exit code, never a traceback."""

import sys
from types import ModuleType

import pytest
import typer

from cluster import cli
from cluster.cli import COMMANDS, Entry, run
from schema.errors import BadInput, Permanent

HEAVY = ("torch", "ray", "cv2", "openvino", "sqlalchemy")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Makes ``turnstile try`` do something."""

    def make(what) -> None:
        module = ModuleType("tried")
        module.tried = what
        monkeypatch.setitem(sys.modules, "tried", module)
        monkeypatch.setitem(cli.COMMANDS, "try", Entry(where="tried:tried", help="Try."))

    return make


def _raising(error: BaseException):
    def tried() -> None:
        raise error

    return tried


def test_bad_input_is_one_line_and_exit_code_2(command, capsys: pytest.CaptureFixture[str]):
    command(_raising(BadInput("video 'x' is empty: give a video")))
    assert run(["try"]) == 2
    assert capsys.readouterr() == ("", "turnstile: video 'x' is empty: give a video\n")


def test_another_failure_of_ours_is_one_line_and_exit_code_1(command, capsys: pytest.CaptureFixture[str]):
    command(_raising(Permanent("PostgreSQL ended at start")))
    assert run(["try"]) == 1
    assert capsys.readouterr().err == "turnstile: PostgreSQL ended at start\n"


def test_a_password_in_a_message_is_not_shown(command, capsys: pytest.CaptureFixture[str]):
    command(_raising(BadInput("rtsp://me:hush@cam/1 refuses: check it")))
    run(["try"])
    assert "hush" not in capsys.readouterr().err


def test_ctrl_c_is_quiet_and_130(command, capsys: pytest.CaptureFixture[str]):
    command(_raising(KeyboardInterrupt()))
    assert run(["try"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_shows_its_traceback(command):
    command(_raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        run(["try"])


def test_the_exit_code_of_a_command_is_kept(command):
    command(_raising(typer.Exit(3)))
    assert run(["try"]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cuont"], "No such command 'cuont'"),
        (["bench", "--jsn"], "No such option: --jsn"),
        (["bench", "nonsense"], "unknown benchmark 'nonsense'"),
    ],
)
def test_a_mistyped_command_line_is_one_line_and_exit_code_2(arguments, words, capsys: pytest.CaptureFixture[str]):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_help_names_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]):
    before = {name for name in HEAVY if name in sys.modules}
    assert run([]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    assert {name for name in HEAVY if name in sys.modules} == before
