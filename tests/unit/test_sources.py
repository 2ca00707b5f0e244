"""Credentials never show, and a path is not a stream."""

import pytest

from schema.sources import is_live, redact, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://joe:s3cret@10.0.0.1:554/h264", "rtsp://***@10.0.0.1:554/h264"),
        ("rtsp://joe@10.0.0.1/h264", "rtsp://***@10.0.0.1/h264"),
        ("RTSP://joe:p@ss@10.0.0.1/h264", "RTSP://***@10.0.0.1/h264"),
        ("http://cam/video?user=joe&password=s3cret&channel=1", "http://cam/video?user=joe&password=***&channel=1"),
        ("http://cam/video?pwd=s3cret#x", "http://cam/video?pwd=***#x"),
        ("https://cam/live?access_token=abc", "https://cam/live?access_token=***"),
        ("rtsp://10.0.0.1/h264", "rtsp://10.0.0.1/h264"),
        ("/videos/a@b.mp4", "/videos/a@b.mp4"),
        ("cannot open rtsp://a:b@c/d, nor http://e:f@g/", "cannot open rtsp://***@c/d, nor http://***@g/"),
    ],
)
def test_credentials_are_replaced(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("rtsp://joe:s3cret@10.0.0.1:554/h264", "rtsp://10.0.0.1:554/h264"),
        ("RTSP://joe:p@ss@10.0.0.1/h264", "RTSP://10.0.0.1/h264"),
        ("http://cam/video?user=joe&password=s3cret&channel=1", "http://cam/video?user=joe&password=&channel=1"),
        ("https://cam/live?access_token=abc#x", "https://cam/live?access_token=#x"),
        ("rtsp://10.0.0.1/h264?channel=1", "rtsp://10.0.0.1/h264?channel=1"),
        ("/videos/a@b.mp4", "/videos/a@b.mp4"),
    ],
)
def test_an_address_is_kept_without_its_credentials(source: str, kept: str) -> None:
    assert without_credentials(source) == kept
    assert without_credentials(kept) == kept


@pytest.mark.parametrize("source", ["rtsp://c/1", "RTSPS://c/1", "http://c/1.m3u8", "https://c/1"])
def test_urls_are_live(source: str) -> None:
    assert is_live(source)


@pytest.mark.parametrize("source", ["vtest.avi", "/videos/rtsp/1.mp4", "rtsp", ""])
def test_paths_are_not_live(source: str) -> None:
    assert not is_live(source)
