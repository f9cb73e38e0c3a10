"""The sides and parts of `benchmarks/collect.py`."""
