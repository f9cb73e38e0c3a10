"""Which log is meant, by the key that somebody pins: a vkey, or a policy with its former keys."""

from collections.abc import Sequence
from pathlib import Path

from anchor.errors import Malformed
from anchor.note import VerifierKey
from anchor.policy import FormerLog, Policy
from factoryledger.errors import WrongUsage
from factoryledger.files import POLICY_MOST, read_whole


def pinned_log(vkey: str | None, policy: Path | None) -> tuple[VerifierKey, Sequence[FormerLog]]:
    """The log's key and its former ones; WrongUsage unless one of the two is given, and holds."""
    if (vkey is None) == (policy is None):
        raise WrongUsage("give --vkey or --policy, one of them")
    try:
        if policy is None:
            return VerifierKey.from_text(vkey or ""), ()
        pinned = Policy.from_bytes(read_whole(policy, POLICY_MOST))
    except Malformed as error:
        raise WrongUsage(f"{policy or '--vkey'}: {error}") from error
    return pinned.log, pinned.former
