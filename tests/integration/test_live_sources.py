"""Live cameras on a real RTSP server that dies, hangs, refuses, asks for a password or sends rubbish."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from actors.capture import feed as feed_module
from actors.capture.feed import CameraFeed, FeedEvent
from actors.capture.stream import SILENCE_S, RtspSource
from schema.camera import CameraSpec
from schema.errors import SourceLost
from schema.events import Frame
from schema.geometry import Scene
from tests.integration.rtsp_server import RtspServer, free_port, missing

pytestmark = [pytest.mark.integration, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of H.264 at 10 fps with a key frame each second: a bright square wanders over a grey floor."""
    path = tmp_path_factory.mktemp("rtsp") / "square.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "veryfast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(300):
            picture = av.VideoFrame(320, 240, "yuv420p").to_ndarray()
            picture[:] = 128
            picture[60:180, number : number + 20] = 235
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def server(video: Path) -> Iterator[RtspServer]:
    with RtspServer(video) as running:
        yield running


class Watcher:
    """A feed and everything it gave."""

    def __init__(self, url: str, camera_id: int = 1) -> None:
        spec = CameraSpec(id=camera_id, name=f"camera-{camera_id}", source=url, scene=Scene(), detect_fps=None)
        self.feed = CameraFeed(spec, bell=threading.Event(), motion_gate=False)
        self.frames: list[Frame] = []
        self.events: list[FeedEvent] = []

    def wait_until(self, true: Callable[[], bool], timeout_s: float) -> float:
        """Take what comes until the condition holds; gives the seconds it took."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < timeout_s:
            for item in self.feed.take(100):
                (self.frames if isinstance(item, Frame) else self.events).append(item)  # type: ignore[arg-type]
            if true():
                return time.monotonic() - began_s
            time.sleep(0.02)
        raise AssertionError(f"it did not happen in {timeout_s} s: {self.kinds}, {len(self.frames)} frames")

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def wait_for_frames(self, count: int, timeout_s: float) -> float:
        wanted = len(self.frames) + count
        return self.wait_until(lambda: len(self.frames) >= wanted, timeout_s)

    def __enter__(self) -> "Watcher":
        self.feed.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.feed.close()


def test_a_killed_server_is_watched_again_within_5_s_of_its_return(server: RtspServer) -> None:
    with Watcher(server.url) as camera:
        camera.wait_for_frames(5, 8)
        server.kill()
        camera.wait_until(lambda: "lost" in camera.kinds, 6)
        lost = camera.events[-1]
        time.sleep(4)
        server.start()
        assert camera.wait_for_frames(1, 10) < 5
        assert lost.watched is not None
        assert lost.watched.to_ns == [f for f in camera.frames if f.id.epoch == lost.epoch][-1].captured_ns
        assert camera.kinds == ["connected", "lost", "refused", "connected"]
        assert camera.frames[-1].id.epoch != camera.frames[0].id.epoch
        assert camera.feed.stats.reconnects == 1
        assert camera.feed.watched is not None
        assert camera.feed.watched.from_ns - lost.watched.to_ns > 4e9


def test_a_server_that_hangs_without_closing_is_lost_within_5_s(server: RtspServer) -> None:
    source = RtspSource(server.url, 1)
    frames = source.frames()
    next(frames)
    server.hang()
    began_s = time.monotonic()
    with pytest.raises(SourceLost, match="gave no picture"):
        for _ in frames:
            pass
    assert SILENCE_S - 1 < time.monotonic() - began_s < 5


def test_a_feed_of_a_hanging_server_closes_promptly(server: RtspServer) -> None:
    with Watcher(server.url) as camera:
        camera.wait_for_frames(1, 8)
        server.hang()
        time.sleep(0.5)
        began_s = time.monotonic()
        camera.feed.close()
        assert time.monotonic() - began_s < feed_module.JOIN_S + 0.5
        assert camera.feed.take(10) == []


def test_a_server_that_accepts_and_never_answers_is_given_up_within_5_s() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began_s = time.monotonic()
        with pytest.raises(SourceLost, match="did not answer"):
            RtspSource(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/camera", 1)
        assert time.monotonic() - began_s < 5


def test_reasons_are_plain_and_tell_no_password(video: Path) -> None:
    with RtspServer(video, user="joe", password="s3cret") as server:
        cases = {
            server.url_for("joe", "wr0ng"): "the user name or password is wrong or missing",
            server.url_for("", ""): "the user name or password is wrong or missing",
            server.url + "/no-such": "it has no stream at this path",
            f"rtsp://joe:s3cret@127.0.0.1:{free_port()}/camera": "nothing listens there",
        }
        for url, reason in cases.items():
            with pytest.raises(SourceLost) as lost:
                RtspSource(url, 1)
            assert str(lost.value).endswith(reason)
            assert "wr0ng" not in str(lost.value)
            assert "s3cret" not in str(lost.value)


def test_the_right_password_opens_the_stream(video: Path) -> None:
    with RtspServer(video, user="joe", password="s3cret") as server:
        source = RtspSource(server.url, 7)
        frame = next(source.frames())
        source.close()
        assert (frame.id.camera_id, frame.id.seq, frame.id.epoch) == (7, 1, source.epoch)
        assert abs(frame.captured_ns - time.time_ns()) < 2e9


def test_a_stream_over_http_is_watched_to_its_end(video: Path) -> None:
    handler = partial(SilentHandler, directory=str(video.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://joe:s3cret@127.0.0.1:{server.server_port}"
        seen: list[Frame] = []
        with pytest.raises(SourceLost, match="ended the stream"):
            seen.extend(RtspSource(f"{url}/{video.name}", 1).frames())
        with pytest.raises(SourceLost, match="no stream at this path") as lost:
            RtspSource(f"{url}/nothing.mp4", 1)
        server.shutdown()
        thread.join()
    assert len(seen) == 300
    assert "s3cret" not in str(lost.value)


def test_a_server_that_talks_rubbish_is_refused_and_tried_again() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Rubbish(listener),
        Watcher(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/camera") as camera,
    ):
        camera.wait_until(lambda: "refused" in camera.kinds, 8)
        assert camera.feed.stats.state != "failed"


def test_a_stream_whose_bytes_are_corrupted_is_survived(server: RtspServer) -> None:
    with (
        CorruptingProxy(server.port) as proxy,
        Watcher(server.url.replace(str(server.port), str(proxy.port))) as camera,
    ):
        camera.wait_for_frames(3, 8)
        proxy.corrupting.set()
        time.sleep(3)
        proxy.corrupting.clear()
        camera.wait_for_frames(5, 12)
        assert camera.feed.stats.state == "watching"
        assert "failed" not in camera.kinds


def test_a_dead_camera_does_not_slow_its_neighbour(server: RtspServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead_url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/camera"
        with Watcher(dead_url, camera_id=1), Watcher(server.url, camera_id=2) as alive:
            alive.wait_for_frames(5, 8)
            assert 2.0 < alive.wait_for_frames(30, 6) < 4.5


class SilentHandler(SimpleHTTPRequestHandler):
    """Serves a folder and writes no log."""

    def log_message(self, *_: object) -> None:
        pass


class Rubbish:
    """Answers every connection with random bytes."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
                with connection:
                    connection.sendall(os.urandom(4096))
            except OSError:
                return

    def __enter__(self) -> "Rubbish":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


class CorruptingProxy:
    """Passes TCP on; while ``corrupting``, every block from the server has bytes flipped."""

    def __init__(self, server_port: int) -> None:
        self.corrupting = threading.Event()
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: list[socket.socket] = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                return
            self._sockets += [client, server]
            for source, target, spoilt in ((client, server, False), (server, client, True)):
                pump = threading.Thread(target=self._pump, args=(source, target, spoilt), daemon=True)
                self._threads.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, spoilt: bool) -> None:
        try:
            while block := source.recv(65536):
                if spoilt and self.corrupting.is_set():
                    block = bytes(byte ^ (0x55 if place % 97 == 50 else 0) for place, byte in enumerate(block))
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def __enter__(self) -> "CorruptingProxy":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._sockets):
            end.close()
        for thread in self._threads:
            thread.join(5)
