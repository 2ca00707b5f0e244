"""``turnstile count`` and ``turnstile eval``: one video, on this machine, without any service."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cluster.commands.options import Json
from cluster.video import evaluate, report
from cluster.video.annotate import annotated_video
from cluster.video.count import Counted, count_video
from cluster.video.events_file import write_events
from cluster.video.source import Video, describe_video
from cluster.video.whole_file import whole_file
from schema.camera import DEFAULT_DETECT_FPS
from schema.errors import BadInput
from schema.geometry import Scene, parse_line, parse_zone
from schema.mot import read_mot
from schema.ports import Detector, FrameSource
from schema.settings import load_settings
from serve_app.detector.choose import open_detector
from serve_app.detector.replay import ReplayDetector

VideoArgument = Annotated[
    str, typer.Argument(metavar="VIDEO", help="A file, an rtsp:// URL, or WxH@FPS with --detections.")
]
Lines = Annotated[
    list[str] | None, typer.Option("--line", metavar="NAME=X1,Y1,X2,Y2", help="A line, in fractions of the picture.")
]
Zones = Annotated[
    list[str] | None, typer.Option("--zone", metavar="NAME=X,Y,X,Y,…", help="A zone, in fractions of the picture.")
]
Model = Annotated[
    str | None, typer.Option("--model", help="A path, 'ssdlite', or a name such as yolo11n.pt. Default: the settings'.")
]
Detections = Annotated[
    Path | None, typer.Option("--detections", help="A MOTChallenge file to take instead of a model.")
]
DetectFps = Annotated[
    str | None,
    typer.Option("--detect-fps", metavar="N|all", help="Frames a second to look at. Default: all; 8 of a live stream."),
]
Watch = Callable[[Counted], None]


def count(
    video: VideoArgument,
    line: Lines = None,
    zone: Zones = None,
    model: Model = None,
    detections: Detections = None,
    detect_fps: DetectFps = None,
    events: Annotated[Path | None, typer.Option("--events", help="Write each crossing here, as JSON lines.")] = None,
    video_out: Annotated[Path | None, typer.Option("--video", help="Write an annotated video here (.mp4).")] = None,
    as_json: Json = False,
) -> None:
    """Count people in one video, without any service. A live stream is counted until it ends, or Ctrl-C."""
    scene = _scene(line, zone)
    _check_outputs(video, events, video_out)
    described = describe_video(video)
    pace = _pace(detect_fps, live=described.live)
    with ExitStack() as outputs:
        watchers: list[Watch] = []
        if events is not None:
            watchers.append(outputs.enter_context(_events_to(events)))
        if video_out is not None:
            fps = described.fps or pace or DEFAULT_DETECT_FPS
            watchers.append(outputs.enter_context(annotated_video(video_out, scene, fps)).add)
        detector, source = _open(described, model, detections)
        watchers.append(outputs.enter_context(_progress(described, pace)))
        result = count_video(source, detector, scene, detect_fps=pace, live=described.live, watch=_all_of(watchers))
    if as_json:
        typer.echo(json.dumps(report.as_json(result)))
    else:
        Console().print(report.as_table(result))


def eval_(
    video: VideoArgument,
    gt: Annotated[Path, typer.Option("--gt", help="Ground truth of the same video, as a MOTChallenge file.")],
    line: Lines = None,
    model: Model = None,
    detections: Detections = None,
    detect_fps: DetectFps = None,
    within_frames: Annotated[
        int, typer.Option("--within-frames", min=0, help="How far a crossing may be from its truth.")
    ] = evaluate.WITHIN_FRAMES,
    as_json: Json = False,
) -> None:
    """Count one video and compare with ground truth: precision, recall, F1 and error per line and direction."""
    scene = _scene(line, None)
    described = describe_video(video)
    width, height = described.size
    truth = read_mot(gt)
    pace = _pace(detect_fps, live=False)
    detector, source = _open(described, model, detections)
    with _progress(described, pace) as progress:
        accuracy = evaluate.evaluate_video(
            source,
            detector,
            scene.lines,
            truth,
            width_px=width,
            height_px=height,
            within_frames=within_frames,
            detect_fps=pace,
            watch=progress,
        )
    if as_json:
        typer.echo(json.dumps(evaluate.as_json(accuracy)))
    else:
        Console().print(evaluate.as_table(accuracy))


def _scene(lines: Sequence[str] | None, zones: Sequence[str] | None) -> Scene:
    scene = Scene(
        lines=tuple(parse_line(text) for text in lines or ()), zones=tuple(parse_zone(text) for text in zones or ())
    )
    if not scene.rules:
        raise BadInput("there is nothing to count by: give a line like --line door=0.5,0,0.5,1")
    return scene


def _pace(detect_fps: str | None, *, live: bool) -> float | None:
    """How many frames a second to look at; None for all."""
    if detect_fps is None:
        return DEFAULT_DETECT_FPS if live else None
    if detect_fps == "all":
        return None
    try:
        pace = float(detect_fps)
    except ValueError:
        pace = 0.0
    if not 0 < pace < float("inf"):
        raise BadInput(f"--detect-fps '{detect_fps}' is not usable: give a number above 0, or all")
    return pace


def _check_outputs(video: str, *outputs: Path | None) -> None:
    taken = [Path(video).absolute()]
    for path in outputs:
        if path is not None and path.absolute() in taken:
            raise BadInput(f"'{path}' is named twice: give every output a file of its own")
        taken += [path.absolute()] if path is not None else []


def _open(video: Video, model: str | None, detections: Path | None) -> tuple[Detector, FrameSource]:
    if detections is None:
        settings = load_settings()
        source = video.open()
        name = model or settings.model
        return open_detector(name, weights=settings.detector.weights, cache=settings.cache / "weights"), source
    if model is not None:
        raise BadInput("--model and --detections exclude each other: give one of them")
    width, height = video.size
    replay = ReplayDetector(detections, width_px=width, height_px=height)
    return replay, video.open(replay.last_frame)


@contextmanager
def _events_to(path: Path) -> Iterator[Watch]:
    with whole_file(path) as part, part.open("w", encoding="utf-8") as file:
        started_ns: int | None = None

        def write(counted: Counted) -> None:
            nonlocal started_ns
            if started_ns is None:
                started_ns = counted.frame.captured_ns
            write_events(file, counted.crossings, started_ns)

        yield write


@contextmanager
def _progress(video: Video, pace: float | None) -> Iterator[Watch]:
    """A bar on standard error while it is a terminal."""
    columns = (TextColumn("counting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=_expected_frames(video, pace))
        yield lambda _: progress.advance(task)


def _expected_frames(video: Video, pace: float | None) -> int | None:
    if video.frames is None or video.fps is None or pace is None:
        return video.frames
    return round(video.frames * min(1.0, pace / video.fps))


def _all_of(watchers: Sequence[Watch]) -> Watch:
    def tell(counted: Counted) -> None:
        for watcher in watchers:
            watcher(counted)

    return tell
