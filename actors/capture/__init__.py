"""From a source to frames worth looking at: opening, decoding, reconnecting, picking, scaling."""
