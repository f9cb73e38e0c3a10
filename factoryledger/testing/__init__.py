"""Tests against a real broker, a real ledger and yesterday's telemetry (docs/testing.md)."""
