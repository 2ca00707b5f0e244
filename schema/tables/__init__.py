"""SQLAlchemy models, one file an area."""
