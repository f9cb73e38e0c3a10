"""Faults with ground truth: what goes wrong, on which machine, from when to when."""
