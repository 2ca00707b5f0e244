"""The cluster file is one that Ray's launcher accepts, and its nodes offer what the program asks for."""

import warnings
from pathlib import Path

import pytest
import yaml

CLUSTER = Path(__file__).parents[2] / "ray-cluster.yaml"


@pytest.fixture
def cluster():
    return yaml.safe_load(CLUSTER.read_text())


def test_the_launcher_accepts_it(cluster):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from ray.autoscaler._private.util import prepare_config, validate_config

        validate_config(prepare_config(cluster))


def test_only_the_head_is_control_and_only_stream_nodes_take_cameras(cluster):
    from cluster.resources import CONTROL, STREAMS

    offered = {name: kind["resources"] for name, kind in cluster["available_node_types"].items()}
    assert [name for name, resources in offered.items() if CONTROL in resources] == ["head"]
    assert [name for name, resources in offered.items() if STREAMS in resources] == ["stream-worker"]
    assert [name for name, resources in offered.items() if resources.get("GPU")] == ["detector-worker"]
    assert offered["head"]["CPU"] == 0
