import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import BadInput
from schema.geometry import Line, Point, Scene, Zone, parse_line, parse_zone

SQUARE = "hall=0.1,0.1,0.9,0.1,0.9,0.9,0.1,0.9"


def test_a_line_is_read_from_its_name_and_two_points():
    line = parse_line("door=0.5,0,0.5,1")
    assert line == Line(name="door", a=Point(x=0.5, y=0), b=Point(x=0.5, y=1))


def test_a_zone_is_read_from_its_name_and_corners():
    assert parse_zone(SQUARE).polygon[2] == Point(x=0.9, y=0.9)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("0.5,0,0.5,1", "has no name"),
        ("=0.5,0,0.5,1", "name ''"),
        ("do/or=0.5,0,0.5,1", "name 'do/or'"),
        ("door=0.5,0,0.5", "odd count of numbers"),
        ("door=0.5,0", "needs four numbers"),
        ("door=0.5,0,0.5,1,1,1", "needs four numbers"),
        ("door=0.5,0,0.5,wide", "not a number"),
        ("door=0.5,0,0.5,1.2", "outside 0..1"),
        ("door=0.5,nan,0.5,1", "outside 0..1"),
        ("door=0.5,0.5,0.5,0.5", "same point"),
    ],
)
def test_an_impossible_line_is_refused_in_one_sentence(text, fault):
    with pytest.raises(BadInput, match=fault) as caught:
        parse_line(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hall=0,0,1,1", "at least three"),
        ("hall=0,0,1,1,1,0,0,1", "crosses itself"),
        ("hall=0,0,1,0,0,0,0,1", "twice"),
        ("hall=0,0,1,0,0.5,0,0.5,1", "crosses itself"),
        ("hall=0.2,0.2,0.4,0.4,0.6,0.6", "no area"),
        ("hall=-0.1,0,1,0,1,1", "outside 0..1"),
    ],
)
def test_an_impossible_zone_is_refused_in_one_sentence(text, fault):
    with pytest.raises(BadInput, match=fault):
        parse_zone(text)


def test_two_rules_of_one_name_are_refused():
    with pytest.raises(BadInput, match="'hall' is used 2 times"):
        Scene(lines=(parse_line("hall=0,0,1,1"),), zones=(parse_zone(SQUARE),))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=3, unique=True))
def test_every_triangle_with_area_is_a_zone(corners):
    (ax, ay), (bx, by), (cx, cy) = corners
    twice_area = abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    if twice_area > 1e-9:
        assert len(Zone(name="t", polygon=tuple(Point(x=x, y=y) for x, y in corners)).polygon) == 3
