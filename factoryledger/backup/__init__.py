"""A copy of an installation that can be gone on from, and how that is done without a fork."""
