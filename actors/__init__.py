"""What happens to a frame: captured, detected, tracked, counted, delivered."""
