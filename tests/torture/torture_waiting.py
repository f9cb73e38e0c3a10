"""Waiting inside of a strike, which yields while others go on."""

import time

LONG = 300.0  # s: a start on a busy machine, and more


def lasting(seconds):
    """Yield for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield


def waiting(holds, seconds):
    """Yield until it holds, or for so long; gives whether it did."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= until:
            return False
        yield
    return True
