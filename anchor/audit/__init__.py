"""The audit: every row of every store against the logs, and each disagreement named."""
