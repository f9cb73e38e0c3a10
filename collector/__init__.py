"""Stores every MQTT message once, hashes it in batches, and signs receipts after commit."""
