"""A camera worker: many cameras, from their frames to deliveries that wait in its journal."""
