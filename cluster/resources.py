"""Custom resources of nodes, as ``ray-cluster.yaml`` gives them out and placement asks for them."""

CONTROL = "control"
"""The node that runs what there is one of: supervisor, counting shards, outbox relay, job workers, API."""
CONTROL_SHARE = 0.001
STREAMS = "streams"
"""How many camera streams a node may take; a worker takes as many as it may have cameras."""
