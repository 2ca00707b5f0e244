"""What is shared and served over Ray Serve: the detector and the API."""
