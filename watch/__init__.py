"""Live topics for people."""
