"""Sources behind the ``FrameSource`` port, read with PyAV (FFmpeg): recorded files, files played live, and streams."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import av
import av.error
import structlog
from av.container import InputContainer
from av.video.stream import VideoStream

from actors.capture.picture import DecodedPicture, Scaler
from actors.capture.reader import VideoReader, frame_rate, open_video_file
from actors.capture.stream import RtspSource
from actors.capture.timeline import SECOND_NS, FileTimeline
from schema.camera import CameraSpec
from schema.errors import BadInput, SourceLost
from schema.events import Frame, FrameId
from schema.ports import FrameSource
from schema.sources import is_live

log = structlog.get_logger(__name__)

_UNDECODABLE = "'{path}' holds no frame that can be decoded: give an undamaged video file"
_HASH_BLOCK_BYTES = 1 << 20
# Frame threads cost about a fifth more CPU a frame and a frame of memory each; more than four only add memory.
FILE_DECODE_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInfo:
    """What a video file says of itself.

    ``width`` and ``height`` are in pixels, as displayed. ``frames`` and ``duration_s`` are estimates, None where the
    header does not say.
    """

    width: int
    height: int
    fps: float
    frames: int | None
    duration_s: float | None


def open_source(spec: CameraSpec, start_seq: int, clock_ns: Callable[[], int]) -> FrameSource:
    """Open what a camera's configuration names; ``start_seq`` is the first frame to give, of a recording.

    Raises:
        BadInput: it is a file, and not one that can be read as video.
        SourceLost: it is a live stream that cannot be had now.
    """
    if is_live(spec.source):
        return RtspSource(spec.source, spec.id, clock_ns=clock_ns)
    if spec.playback == "live":
        return LoopedFileSource(spec.source, spec.id, clock_ns=clock_ns)
    return FileSource(spec.source, spec.id, spec.started_ns, start_seq)


def probe(path: str | Path) -> VideoInfo:
    """Read a video file's header and first frame.

    Raises:
        BadInput: the file is missing, empty or not video.
    """
    container, stream = open_video_file(Path(path))
    with container:
        picture = DecodedPicture(_first_frame(container, stream, path), Scaler())
        fps = float(frame_rate(stream))
        duration_s = container.duration / av.time_base if container.duration else None
        frames = stream.frames or (round(duration_s * fps) if duration_s else None)
        if duration_s is None and frames:
            duration_s = frames / fps
        return VideoInfo(width=picture.width, height=picture.height, fps=fps, frames=frames, duration_s=duration_s)


def fingerprint(path: Path) -> str:
    """A file's content as 32 hexadecimal digits: BLAKE2b-128 over its bytes; the same for every copy."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class FileSource:
    """Every frame of a recorded file, in order.

    ``seq`` is the frame's number in the file, from 1, whatever ``start_seq`` is; earlier frames are decoded (later ones
    need them) but not converted. ``captured_ns`` is ``started_ns`` plus the time since the first frame.
    """

    def __init__(
        self,
        path: str | Path,
        camera_id: int,
        started_ns: int,
        start_seq: int = 1,
        *,
        epoch: str | None = None,
        threads: int = FILE_DECODE_THREADS,
    ) -> None:
        """Open the file.

        Args:
            path: the file.
            camera_id: whose frames these are.
            started_ns: capture time of the file's first frame.
            start_seq: number of the first frame to give.
            epoch: the stream epoch; None means the file's fingerprint.
            threads: how many threads decode it.

        Raises:
            BadInput: the file is missing, empty or not video.
        """
        self._path = Path(path)
        self._camera_id = camera_id
        self._start_seq = start_seq
        container, self._stream = open_video_file(self._path)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads
        self._expected_frames = self._stream.frames
        self.period_ns = round(SECOND_NS / frame_rate(self._stream))
        """Nanoseconds from one frame to the next, as the file's header says."""
        self._timeline = FileTimeline(started_ns=started_ns, period_ns=self.period_ns)
        self._epoch = epoch if epoch is not None else fingerprint(self._path)
        self._reader = VideoReader(container, self._stream)

    @property
    def epoch(self) -> str:
        """The stream epoch: the file's fingerprint unless another was given."""
        return self._epoch

    def frames(self) -> Iterator[Frame]:
        """Frames in order until the file ends or ``close`` is called.

        Raises:
            BadInput: not one frame could be decoded.
            SourceLost: the file could not be read on (its disk or share failed).
        """
        scaler = Scaler()
        seq = 0
        for picture in self._pictures():
            seq += 1
            captured_ns = self._timeline.next(_pts_ns(picture))
            if seq >= self._start_seq:
                frame_id = FrameId(camera_id=self._camera_id, epoch=self._epoch, seq=seq)
                yield Frame(id=frame_id, captured_ns=captured_ns, picture=DecodedPicture(picture, scaler))
        if self._reader.ended:
            self._check_whole(seq)

    def _pictures(self) -> Iterator[av.VideoFrame]:
        try:
            for batch in self._reader.batches():
                yield from batch
        except av.error.InvalidDataError:
            self._reader.ended = True
        except av.error.FFmpegError as error:
            raise SourceLost(f"video file '{self._path}' could not be read on: {error.strerror}") from error

    def _check_whole(self, frames: int) -> None:
        if frames == 0:
            raise BadInput(_UNDECODABLE.format(path=self._path))
        if frames < self._expected_frames or self._reader.damaged_packets:
            log.warning(
                "Video file is damaged or cut short",
                path=str(self._path),
                frames=frames,
                expected_frames=self._expected_frames,
                damaged_packets=self._reader.damaged_packets,
            )

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()


class LoopedFileSource:
    """A file played once in real time, as a camera would send it; open it again for the next round.

    Each round is a stream epoch of its own. ``captured_ns`` is the wall-clock time at which a frame was due.
    """

    def __init__(self, path: str | Path, camera_id: int, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """Open the file; it starts to play now.

        Raises:
            BadInput: the file is missing, empty or not video.
        """
        self._started_ns = clock_ns()
        self._started_s = time.monotonic()
        self._file = FileSource(path, camera_id, self._started_ns, epoch=uuid4().hex, threads=1)
        self._closing = threading.Event()

    @property
    def epoch(self) -> str:
        """The stream epoch: a fresh id for each round."""
        return self._file.epoch

    def frames(self) -> Iterator[Frame]:
        """Frames when they are due, until the file ends or ``close`` is called.

        Raises:
            BadInput: not one frame could be decoded.
            SourceLost: the file could not be read on.
        """
        for frame in self._file.frames():
            due_s = self._started_s + (frame.captured_ns - self._started_ns) / SECOND_NS
            if self._closing.wait(max(0.0, due_s - time.monotonic())):
                return
            yield frame
        # The last frame stays on for its period too; without this a file of one frame would start over at once.
        self._closing.wait(self._file.period_ns / SECOND_NS)

    def close(self) -> None:
        """Let go of the file; ends a wait for the next frame at once."""
        self._closing.set()
        self._file.close()


def _pts_ns(picture: av.VideoFrame) -> int | None:
    """Presentation time in nanoseconds, or None where the frame has none."""
    return None if picture.pts is None else round(picture.time * SECOND_NS)


def _first_frame(container: InputContainer, stream: VideoStream, path: str | Path) -> av.VideoFrame:
    try:
        return next(container.decode(stream))
    except (StopIteration, av.error.FFmpegError):
        raise BadInput(_UNDECODABLE.format(path=path)) from None
