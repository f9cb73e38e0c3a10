"""What is wrong with an installation, a line each: places, versions, clock, store, broker, log."""
