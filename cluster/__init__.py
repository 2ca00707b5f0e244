"""What starts, places and watches it: the command line, services, Ray."""
