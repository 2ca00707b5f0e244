"""A real RTSP server for tests: GStreamer's, run by the system's Python, playing an H.264 file over and over."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from types import TracebackType

SYSTEM_PYTHON = "/usr/bin/python3"

_SERVER = textwrap.dedent(
    """
    import sys
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    path, port, mount, user, password = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f"( filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"
    )
    factory.set_shared(False)
    if user:
        allowed = GstRtspServer.RTSPToken()
        allowed.set_string("media.factory.role", "viewer")
        auth = GstRtspServer.RTSPAuth()
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), allowed)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.new_from_string("viewer,media.factory.access=true,media.factory.construct=true")
        )
    server.get_mount_points().add_factory(mount, factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()
    """
)


@cache
def missing() -> str | None:
    """What has to be installed for the server, or None where it is all there."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True).returncode:
        return (
            "no RTSP server here: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi"
            " gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
        )
    return None


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RtspServer:
    """Plays ``video`` (H.264 in mp4) from its start to each client, at ``url``; keeps its port over restarts."""

    def __init__(self, video: Path, *, mount: str = "/camera", user: str = "", password: str = "") -> None:
        self._video = video
        self._mount = mount
        self._user = user
        self._password = password
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return self.url_for(self._user, self._password)

    def url_for(self, user: str, password: str) -> str:
        login = f"{user}:{password}@" if user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}{self._mount}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, "-c", _SERVER, str(self._video), str(self.port), self._mount, self._user, self._password],
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready", "the RTSP server did not start"

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """Stop it in its tracks; its connections stay open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> "RtspServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
