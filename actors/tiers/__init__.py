"""Moving rows from tier to tier: written, verified by reading back, switched in one transaction, then removed."""
