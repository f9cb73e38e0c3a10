"""A time-stamp authority (RFC 3161) as a ledger: it signs when it saw a checkpoint."""
