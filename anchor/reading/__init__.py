"""A log read back, from a folder, a server or a store, and nothing of it believed unchecked."""
