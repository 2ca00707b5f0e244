"""Redis as a memory of what PostgreSQL knows: gone or emptied it makes answers slower, never wrong."""
