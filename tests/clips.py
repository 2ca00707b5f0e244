"""Short pieces of the demo's video, made when a test asks for them."""

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from cluster.demo_video import demo_video
from schema.errors import BadInput
from schema.settings import load_settings


def vtest() -> Path:
    """The demo's video; skips the test where it can neither be found nor fetched."""
    try:
        return demo_video(load_settings())
    except BadInput as error:
        pytest.skip(str(error))


def make_clip(path: Path, frames: int) -> Path:
    """The first frames of the demo's video as H.264, ten a second."""
    with av.open(str(vtest())) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = 768, 576
        for seq, picture in enumerate(islice(source.decode(video=0), frames)):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base = seq, Fraction(1, 10)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path


def copy_clip(path: Path, frames: int) -> Path:
    """The first frames of the demo's video, copied without decoding."""
    with av.open(str(vtest())) as source, av.open(str(path), "w") as copy:
        stream = source.streams.video[0]
        target = copy.add_stream_from_template(stream)
        packets = (packet for packet in source.demux(stream) if packet.dts is not None)
        for packet in islice(packets, frames):
            packet.stream = target
            copy.mux(packet)
    return path
