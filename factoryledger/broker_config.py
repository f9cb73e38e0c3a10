"""Where the broker's configuration files are: in a checkout or inside an installed wheel.

Both hold the same files; a checkout's come first, so that an edit there is what runs.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE.parent / "broker-config", _PACKAGE / "broker-config")


def broker_config(name: str) -> Path:
    """Give the path of one file of broker-config; FileNotFoundError names where it looked."""
    for place in _PLACES:
        if (place / "loopback.conf").is_file() and (place / name).is_file():
            return place / name
    looked = " and ".join(str(place) for place in _PLACES)
    raise FileNotFoundError(f"no broker-config/{name} in {looked}; install factoryledger again")
