"""Mosquitto's ACL file: the shipped one with a block for each client of a role.

Pure. The shipped file (broker-config/acl) has a block `user ROLE` for each role, which is
repeated for each of its clients, and patterns for machines. A gateway's block names the places
whose machines it speaks for. A client that was shut out is denied everything: a broker that
reads the file again holds that against a connection that stands, too.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from factoryledger.broker_book import Book

_SAID: Final = ("telemetry", "birth", "state", "event", "death")


def acl_file(shipped: str, book: Book) -> str:
    """Give the whole file."""
    clients = book.clients()
    blocks = [_repeated(block.strip("\n"), clients) for block in shipped.split("\n\n")]
    blocks.extend(
        _gateway(name, places)
        for name, places in sorted(book.gateways.items())
        if name not in book.shut_out
    )
    blocks.extend(
        _host(name, host) for name, host in sorted(book.hosts.items()) if name not in book.shut_out
    )
    blocks.extend(
        "\n".join([f"user {name}", *(f"topic read ledger/receipt/{one}" for one in devices)])
        for name, devices in sorted(book.edges.items())
        if devices and name not in book.shut_out
    )
    blocks.extend(f"user {name}\ntopic deny #" for name in sorted(book.shut_out))
    return "\n\n".join(blocks) + "\n"


def _repeated(block: str, clients: Mapping[str, Sequence[str]]) -> str:
    lines = block.split("\n")
    for at, line in enumerate(lines):
        role = line.removeprefix("user ")
        if line.startswith("user ") and role in clients:
            each = ("\n".join([f"user {name}", *lines[at + 1 :]]) for name in clients[role])
            return "\n".join([*lines[:at], "\n\n".join(each)])
    return block


def _host(name: str, host: str) -> str:
    """A Sparkplug host application: hears all nodes, says whether it is there, commands."""
    return "\n".join(
        [
            f"user {name}",
            "topic read spBv1.0/#",
            f"topic write spBv1.0/STATE/{host}",
            "topic write spBv1.0/+/NCMD/+",
            "topic write spBv1.0/+/DCMD/+/+",
        ]
    )


def _gateway(name: str, places: Sequence[str]) -> str:
    lines = [f"user {name}"]
    for place in places:
        topic = "/".join([*place.split("/"), *"+++++"][:5])
        lines.extend(f"topic write {topic}/{kind}" for kind in _SAID)
        lines.append(f"topic read {topic}/receipt")
    return "\n".join(lines)
