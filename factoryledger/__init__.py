"""The one command: settings, wiring, exit codes. Imports everything; nobody imports it."""
