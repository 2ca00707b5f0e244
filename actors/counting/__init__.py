"""The pure core: detections in, crossings out. No input or output, no clock, no Ray: numpy and values only."""
