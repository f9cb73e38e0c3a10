"""Sparkplug B: a line's machines speak through its edge node (docs/sparkplug.md)."""
