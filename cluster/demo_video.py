"""The demo's video: OpenCV's ``vtest.avi``, fetched once into the user's cache.

People walk over a campus crossing (PETS 2009, S2.L1); 795 frames of 768x576.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import structlog
from rich.progress import Progress

from schema.errors import BadInput
from schema.settings import Settings

SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"

_NAME = "vtest.avi"
_URL = "https://raw.githubusercontent.com/opencv/opencv/4.x/samples/data/vtest.avi"
_TIMEOUT = httpx.Timeout(15.0, connect=4.0)
_log = structlog.get_logger(__name__)


def demo_video(settings: Settings) -> Path:
    """Give the path of the demo's video, fetching it if it is not there yet.

    The settings' own ``demo_video`` is taken as it is. Otherwise OpenCV's repository is asked, then Debian's package
    ``opencv-doc``, which holds the same file. What is fetched is complete and right, or absent.

    Raises:
        BadInput: it is not there and cannot be fetched.
    """
    if settings.demo_video is not None:
        if not settings.demo_video.is_file():
            raise BadInput(f"demo video {settings.demo_video} is not there: correct demo_video in the settings")
        return settings.demo_video
    target = settings.cache / _NAME
    if target.is_file() and _is_right(target):
        return target
    reasons: list[str] = []
    for fetch in (_from_opencv, _from_debian):
        try:
            _fetch(fetch, target)
        except (httpx.HTTPError, OSError, subprocess.SubprocessError, _NotFetched) as error:
            reasons.append(str(error) or type(error).__name__)
            _log.info(
                "A source of the demo video failed", source=fetch.__name__.removeprefix("_from_"), reason=reasons[-1]
            )
        else:
            return target
    raise BadInput(
        f"the demo video could not be fetched ({'; '.join(reasons)}): put OpenCV's samples/data/{_NAME} at {target}, "
        "or set TURNSTILE_DEMO_VIDEO to a video of your own"
    )


class _NotFetched(Exception):
    pass


def _fetch(fetch: Callable[[Path], None], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        part = Path(scratch) / _NAME
        fetch(part)
        if not _is_right(part):
            raise _NotFetched("the file that came is another one")
        part.replace(target)


def _from_opencv(part: Path) -> None:
    with httpx.stream("GET", _URL, timeout=_TIMEOUT, follow_redirects=True) as answer, part.open("wb") as out:
        answer.raise_for_status()
        size = int(answer.headers.get("content-length", 0)) or None
        with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("Fetching the demo video", total=size)
            for block in answer.iter_bytes():
                out.write(block)
                progress.advance(task, len(block))


def _from_debian(part: Path) -> None:
    """``apt-get download`` and ``dpkg -x`` need no root: nothing is installed."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise _NotFetched("this is no Debian, which has it in opencv-doc")
    folder = part.parent
    folder.chmod(0o755)  # apt-get downloads as its own user where it can
    with Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        progress.add_task("Fetching the demo video from Debian's opencv-doc", total=None)
        try:
            _run(["apt-get", "-qq", "download", "opencv-doc"], folder)
        except _NotFetched:  # perhaps for want of package lists, which anyone may fetch into a folder of their own
            own_lists = ["-o", f"Dir::State::Lists={folder / 'lists'}"]
            _run(["apt-get", "-qq", *own_lists, "update"], folder)
            _run(["apt-get", "-qq", *own_lists, "download", "opencv-doc"], folder)
        _run(
            ["dpkg", "-x", *(str(package) for package in folder.glob("opencv-doc_*.deb")), str(folder / "doc")], folder
        )
    found = folder / "doc/usr/share/doc/opencv-doc/examples/data" / _NAME
    found.rename(part)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise _NotFetched(f"'{' '.join(command)}' failed: {words[-1]}")


def _is_right(file: Path) -> bool:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == SHA256


if __name__ == "__main__":
    # Set-up fetches it, so that tests find it.
    from schema.settings import load_settings

    demo_video(load_settings())
