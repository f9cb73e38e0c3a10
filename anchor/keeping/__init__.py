"""The writing side: who keeps the logs, and the witness; nobody who verifies imports it."""
