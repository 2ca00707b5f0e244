"""A live stream behind the ``FrameSource`` port: RTSP over TCP, or HTTP."""

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from actors.capture.picture import DecodedPicture, Scaler
from actors.capture.reader import VideoReader, video_stream
from actors.capture.timeline import SECOND_NS
from schema.errors import SourceLost
from schema.events import Frame, FrameId
from schema.sources import redact

OPEN_TIMEOUT_S = 4.0
SILENCE_S = 4.0
"""A source that sends nothing, or nothing that can be decoded, for this long is lost."""

_RTSP_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    # The default looks at two seconds of the stream to guess its frame rate, which is not needed. What was looked at is
    # decoded all the same ("nobuffer" would throw away the first key frame, and wait for the next).
    "analyzeduration": "100000",
    "fpsprobesize": "0",
}

# First match wins; these are subclasses of FFmpegError, each with a builtin twin.
_REASONS: tuple[tuple[type[av.error.FFmpegError], str], ...] = (
    (av.error.HTTPUnauthorizedError, "the user name or password is wrong or missing"),
    (av.error.HTTPForbiddenError, "it forbids this user to watch"),
    (av.error.HTTPNotFoundError, "it has no stream at this path"),
    (av.error.HTTPError, "it answers with an error"),
    (av.error.ConnectionRefusedError, "nothing listens there"),
    (av.error.InvalidDataError, "it does not send video that can be read"),
    (av.error.OSError, "it cannot be reached, or broke off"),
)


class RtspSource:
    """One connection to a live stream. Its epoch is a fresh id; frames carry the wall-clock time of their arrival."""

    def __init__(self, url: str, camera_id: int, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Connect.

        Raises:
            SourceLost: nothing listens, it does not answer in time, refuses the password, or sends no video. The
                message says which, with credentials redacted.
        """
        self._name = redact(url)
        self._camera_id = camera_id
        self._clock_ns = clock_ns
        self._epoch = uuid4().hex
        container, stream = self._connect(url)
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        self._reader = VideoReader(container, stream)
        self._last_ns = 0
        self._no_picture = f"{self._name} gave no picture for {SILENCE_S:g} s"
        self._fruitless_s = 0.0

    def _connect(self, url: str) -> tuple[InputContainer, VideoStream]:
        options = _RTSP_OPTIONS if url.lower().startswith("rtsp") else {}
        began_s = time.monotonic()
        try:
            container = av.open(url, "r", options=options, timeout=(OPEN_TIMEOUT_S, SILENCE_S))
        except av.error.FFmpegError as error:
            # FFmpeg gives all kinds of errors when the time-out interrupts it. They name the URL with its password,
            # so none is chained.
            in_time = time.monotonic() - began_s < OPEN_TIMEOUT_S
            reason = _reason(error) if in_time else f"it did not answer for {OPEN_TIMEOUT_S:g} s"
            raise SourceLost(f"{self._name} cannot be watched: {reason}") from None
        stream = video_stream(container)
        if stream is None:
            container.close()
            raise SourceLost(f"{self._name} cannot be watched: it sends no video")
        return container, stream

    @property
    def epoch(self) -> str:
        """The stream epoch: a fresh id for each connection."""
        return self._epoch

    def frames(self) -> Iterator[Frame]:
        """Frames as they arrive, until ``close``. Frames with missing pieces are left out but numbered.

        Raises:
            SourceLost: the stream ended, broke, or went silent.
        """
        scaler = Scaler()
        seq = 0
        for picture in self._pictures():
            seq += 1
            if picture.is_corrupt:
                continue
            frame_id = FrameId(camera_id=self._camera_id, epoch=self._epoch, seq=seq)
            captured_ns = self._arrival_ns()
            yield Frame(id=frame_id, captured_ns=captured_ns, picture=DecodedPicture(picture, scaler))
        if self._reader.ended:
            raise SourceLost(f"{self._name} ended the stream")

    def _pictures(self) -> Iterator[av.VideoFrame]:
        asked_s = time.monotonic()
        try:
            for batch in self._reader.batches():
                self._check_progress(batch, time.monotonic() - asked_s)
                yield from batch
                asked_s = time.monotonic()
        except av.error.ExitError:
            raise SourceLost(self._no_picture) from None
        except av.error.FFmpegError as error:
            raise SourceLost(f"{self._name} broke off: {_reason(error)}") from None

    def _check_progress(self, batch: list[av.VideoFrame], waited_s: float) -> None:
        # At a time-out FFmpeg first hands out the packet that it had not finished: that is no sign of life.
        if waited_s < SILENCE_S and any(not picture.is_corrupt for picture in batch):
            self._fruitless_s = 0.0
            return
        self._fruitless_s += waited_s
        if self._fruitless_s >= SILENCE_S:
            raise SourceLost(self._no_picture)

    def _arrival_ns(self) -> int:
        now_ns = self._clock_ns()
        if now_ns < self._last_ns - SECOND_NS:
            raise SourceLost(f"{self._name} was let go because this machine's clock was set back")
        self._last_ns = max(now_ns, self._last_ns + 1)
        return self._last_ns

    def close(self) -> None:
        """Let go of the stream. A blocked read ends at the next packet, or at its time-out."""
        self._reader.close()


def _reason(error: av.error.FFmpegError) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return redact(error.strerror or str(error))
