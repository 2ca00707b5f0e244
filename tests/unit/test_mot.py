"""Reading MOTChallenge text."""

from pathlib import Path

import numpy as np
import pytest

from schema.errors import BadInput
from schema.mot import read_mot


def write(folder: Path, text: str) -> Path:
    path = folder / "gt.txt"
    path.write_text(text)
    return path


def test_boxes_become_corners_in_order_of_frames(tmp_path: Path):
    mot = read_mot(write(tmp_path, "3,7,10,20,30,40,0.5,-1,-1,-1\n1,8,1.5,2,3,4,1\n"))
    assert mot.frame.tolist() == [1, 3]
    assert mot.id.tolist() == [8, 7]
    np.testing.assert_array_equal(mot.boxes, [[1.5, 2, 4.5, 6], [10, 20, 40, 60]])
    assert mot.conf.tolist() == [1.0, 0.5]


def test_a_row_without_confidence_is_certain(tmp_path: Path):
    assert read_mot(write(tmp_path, "1,1,0,0,5,5")).conf.tolist() == [1.0]


def test_every_frame_is_given_even_where_nobody_is_seen(tmp_path: Path):
    mot = read_mot(write(tmp_path, "1,1,0,0,5,5,1\n3,1,0,0,5,5,1\n3,2,0,0,5,5,1\n"))
    assert [(number, rows.id.tolist()) for number, rows in mot.by_frame()] == [(1, [1]), (2, []), (3, [1, 2])]
    assert [number for number, _ in mot.by_frame(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no boxes"),
        ("hello\n", "line 1 .* is not MOTChallenge text"),
        ("1,1,0,0,5,5,1\n1,1,0\n", "line 2 .* has 3 columns"),
        ("0,1,0,0,5,5,1\n", "frame 0: count frames from 1"),
        ("1.5,1,0,0,5,5,1\n", "frame 1.5"),
        ("1,1,0,0,0,5,1\n", "width and a height above 0"),
        ("1,1,nan,0,5,5,1\n", "not finite"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line_and_the_fix(tmp_path: Path, text: str, says: str):
    with pytest.raises(BadInput, match=says):
        read_mot(write(tmp_path, text))


def test_a_missing_file_and_a_binary_one_are_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="there is no file"):
        read_mot(tmp_path / "none.txt")
    (tmp_path / "video.avi").write_bytes(b"RIFF\xff\xfe\x00\x81")
    with pytest.raises(BadInput, match="not a text file"):
        read_mot(tmp_path / "video.avi")
    with pytest.raises(BadInput, match="cannot read"):
        read_mot(tmp_path)
