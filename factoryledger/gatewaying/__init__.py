"""What `gateway` runs: keys found or asked for, sources and outboxes opened, until it stops."""

from factoryledger.gatewaying.keys import requests
from factoryledger.gatewaying.live import run

__all__ = ["requests", "run"]
