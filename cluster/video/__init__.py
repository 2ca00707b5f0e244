"""One video counted on this machine, without Ray or a database: counts, events, an annotated copy, an evaluation."""
