"""One opened container: its video stream, decoded by one thread and closed from any."""

import threading
from collections.abc import Iterator

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture of a container; not cover art, nor text that FFmpeg would paint as a terminal."""
    if container.format.name == "tty":
        return None
    moving = (stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic)
    return next(moving, None)


class VideoReader:
    """Decodes the video stream of an opened container.

    FFmpeg must not close a container while a thread is inside it, so each step holds a lock, and whoever comes second
    closes: ``close`` at once when the reader is between two steps, else the reader when its step ends (for a live
    source that is at its read time-out at the latest: PyAV cannot interrupt a read before).
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._inside = threading.Lock()
        self._closed = False
        self.ended = False
        """Whether the stream came to its end, rather than being closed or broken."""
        self.damaged_packets = 0

    def batches(self) -> Iterator[list[av.VideoFrame]]:
        """The pictures that each packet completes (often one, sometimes none), in presentation order.

        Damaged packets are counted and give none. Ends at the end of the stream or after ``close``.

        Raises:
            av.error.FFmpegError: the container could not be read on.
        """
        packets = self._container.demux(self._stream)
        try:
            while (pictures := self._step(packets)) is not None:
                yield pictures
        finally:
            self.close()

    def _step(self, packets: "Iterator[Packet[VideoStream]]") -> list[av.VideoFrame] | None:
        with self._inside:
            if self._closed:
                return None
            packet = next(packets, None)
            if packet is None:
                self.ended = True
                return None
            try:
                return packet.decode()
            except av.error.InvalidDataError:
                self.damaged_packets += 1
                return []

    def close(self) -> None:
        """Let go of the container, now or as soon as the reading thread comes out of it. May be called twice."""
        self._closed = True
        if self._inside.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._inside.release()
