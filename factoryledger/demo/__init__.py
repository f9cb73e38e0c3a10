"""The demo: the whole line on one machine, kept running, and checked at the end."""
