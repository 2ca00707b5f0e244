"""Opened containers: finding the video stream, decoding it in one thread, closing it from any."""

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from schema.errors import BadInput

_DEFAULT_FPS = Fraction(25)


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first moving picture of a container; not cover art, nor text that FFmpeg would paint as a terminal."""
    if container.format.name == "tty":
        return None
    moving = (stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic)
    return next(moving, None)


def open_video_file(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a recorded file and find its pictures.

    Raises:
        BadInput: the file is missing, empty or not video.
    """
    try:
        if path.stat().st_size == 0:
            raise BadInput(f"video file '{path}' is empty: give a file with video in it")
        container = av.open(str(path), "r")
    except av.error.InvalidDataError as error:
        raise BadInput(f"'{path}' is not video that FFmpeg can read, or it was cut short: give another file") from error
    except OSError as error:
        raise BadInput(f"video file '{path}' cannot be opened ({error.strerror}): check the path") from error
    stream = video_stream(container)
    if stream is None:
        container.close()
        raise BadInput(f"'{path}' holds no video: give a file with moving pictures")
    return container, stream


def frame_rate(stream: VideoStream) -> Fraction:
    """Frames a second as the header says, or a guess."""
    return stream.average_rate or stream.guessed_rate or _DEFAULT_FPS


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
