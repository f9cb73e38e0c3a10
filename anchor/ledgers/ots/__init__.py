"""OpenTimestamps as a ledger: calendars lead a checkpoint to a Bitcoin block."""
