"""Jobs: taken from the queue, done once, asked for again when their time comes."""
