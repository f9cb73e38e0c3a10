"""What each setting means, and in which unit (UCUM): for the page of settings, and for people.

Pure. A setting without its words here is found by a test.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of one setting: the group it stands in, its unit or "", a sentence."""

    group: str
    unit: str
    says: str


_GROUPS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Places": {
        "data": ("", "Folder of store, log, keys, policy and proofs."),
        "database": (
            "",
            "The store's URL, or a list of them; unset: the data folder's files.",
        ),
        "database_password_file": ("", "File whose first line is the database's password."),
        "log": ("", "Folder of the anchor log; unset: `log` in the data folder."),
        "policy": ("", "Whose keys to trust; unset: `policy` in the data folder."),
        "ledgers": ("", "What pins the outside ledgers; unset: `ledgers.toml` in the data folder."),
        "key_passphrase_file": (
            "",
            "File whose first line is the passphrase of the keys that are sealed by one.",
        ),
    },
    "Broker": {
        "broker": ("", "The broker, as mqtt[s]://HOST[:PORT]."),
        "broker_user": ("", "User name at the broker."),
        "broker_password_file": ("", "File whose first line is the password there."),
        "broker_ca_file": ("", "Certificates of who may sign the broker's; unset: the system's."),
        "broker_certificate_file": ("", "Our certificate at the broker."),
        "broker_key_file": ("", "The key of that certificate."),
        "broker_identity": (
            "",
            "Take user and certificate of this role from `init --broker-host`.",
        ),
        "prefix": (
            "",
            "Topic levels in front of the factory's own; `auto`: some that nobody can guess.",
        ),
        "session_expiry": (
            "s",
            "How long the broker keeps messages for a collector that is away.",
        ),
    },
    "Simulated factory": {
        "seed": ("", "Seed of all chance."),
        "machines": ("", "How many machines are simulated."),
        "interval": ("s", "Time between two scans of a machine."),
        "drain": ("s", "How long machines wait for receipts at the end."),
        "resend_after": (
            "s",
            "A message without a receipt is sent again after so long, then ever later.",
        ),
        "shut_out_retry": (
            "s",
            "A client that the broker shuts out tries again after so long, up to twice as long.",
        ),
    },
    "Collector": {
        "name": ("", "Which of several collectors this is: its store is `ledger-NAME.db`."),
        "share": (
            "",
            "Group of collectors that share the topics; `auto`: one that nobody can guess.",
        ),
        "clock": ("", "Whose time messages are received at."),
        "flush_count": ("", "A batch is committed at so many messages."),
        "flush_seconds": ("s", "Or after so long."),
        "anchored_within": ("s", "By when receipts promise that a message is anchored."),
        "processes": ("", "Processes that check signatures; unset: one for each core."),
        "rebirth": ("", "Ask Sparkplug nodes for births that were not heard."),
    },
    "What a collector refuses": {
        "limit_payload": ("By", "Larger payloads are refused; 0: none."),
        "limit_properties": ("By", "Messages with more MQTT properties are refused; 0: none."),
        "limit_rate": ("1/s", "Messages of one sender beyond it are refused; 0: no limit."),
        "limit_bytes": ("By/s", "Bytes of one sender beyond it are refused; 0: no limit."),
        "limit_unproven": (
            "1/s",
            "What no enrolled key has signed is refused beyond it, of all together; 0: none.",
        ),
        "limit_unknown": (
            "1/s",
            "What machines sign that nobody enrolled is refused beyond it; 0: no limit.",
        ),
        "limit_checks": (
            "1/s",
            "Signatures checked of senders of whom none was good yet, all together; 0: none.",
        ),
    },
    "Retention": {
        "retention": (
            "d",
            "For each status how long payloads are kept; what is not named is kept.",
        ),
        "retention_every": ("s", "How often is looked what may be erased."),
    },
    "Anchor and audit": {
        "every": ("s", "How often the anchor looks for new batches."),
        "every_batches": ("", "Look as well as soon as so many batches wait; 0: by time alone."),
        "ledger": (
            "",
            "Outside ledgers that checkpoints go to: names in the ledgers file, or NAME=URL.",
        ),
        "clock_tolerance": ("s", "How far a machine's clock may lie outside of what is bounded."),
    },
    "Watching": {
        "metrics": ("", "Where to serve metrics, as [HOST:]PORT; unset: nowhere."),
        "web_password_file": ("", "File whose first line is the web page's password."),
        "log_format": ("", "How events are written to stderr."),
    },
}

MEANINGS: Final = {
    name: Meaning(group, unit, says)
    for group, settings in _GROUPS.items()
    for name, (unit, says) in settings.items()
}
"""By the setting's name, in the order of the page."""
