import numpy as np
import pytest

from schema.events import Detections, Totals, crossing_id

KEY = {"camera_id": 1, "epoch": "abc", "track_id": 7, "rule": "door", "version": 1, "ordinal": 0}


def test_the_same_crossing_has_the_same_id_in_every_process():
    assert str(crossing_id(**KEY)) == "cc9cbd2f-362f-533c-958d-cfaa4b58dd77"


@pytest.mark.parametrize("change", [{"camera_id": 2}, {"epoch": "b"}, {"track_id": 8}, {"rule": "d"}, {"ordinal": 1}])
def test_another_crossing_has_another_id(change):
    assert crossing_id(**KEY | change) != crossing_id(**KEY)


def test_boxes_and_scores_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="do not belong together"):
        Detections(boxes=np.zeros((2, 4), np.float32), scores=np.zeros(3, np.float32))


def test_occupancy_is_a_signed_sum_that_never_clamps():
    assert Totals(count_in=1, count_out=3, appeared=1, lost=2).occupancy_change == -3
