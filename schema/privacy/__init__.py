"""Personal data: where it lies, handing it out to the person, and erasing it."""
