"""How a reader checks the package, and what its words mean. Pure."""

from dossier.manifest import Manifest
from dossier.report.markup import Markup, joined, raw, tag, text
from dossier.report.words import groups

_STEPS = (
    (
        "Get the keys from somebody you trust",
        (
            "The file “policy” names the keys of the log, its witnesses and the operator. The one "
            "in this package was written by its maker, and so proves nothing. Take yours from "
            "another hand: from the operator in person, from a contract, from an earlier visit."
        ),
        None,
    ),
    (
        "Check all of it with the program",
        (
            "factoryledger is free software. It needs no network for this, and reads no trust from "
            "the package. It ends with exit code 0 and the word “whole”, or names the first file "
            "and line that is not what it has to be."
        ),
        "factoryledger verify PACKAGE --policy YOUR-POLICY",
    ),
    (
        "Or check one message in a browser",
        (
            "Open a verifier.html from a source that you trust. Give it your policy and one of the "
            "files proofs/…/birth-….proof. The page says in sentences what is shown."
        ),
        None,
    ),
    (
        "Or check the files by hand",
        (
            "The first command finds every file that was changed since this list was made; the "
            "second gives the package number that stands on each page."
        ),
        "sha256sum -c SHA256SUMS\nsha256sum manifest.json",
    ),
    (
        "Compare a root by eye",
        (
            "Fetch the published log's checkpoint, or ask a witness for what it has seen. For one "
            "size there is one root: it must be the one printed under “The log”. Any tool for C2SP "
            "transparency logs shows it."
        ),
        None,
    ),
    (
        "Look one reading up",
        (
            "readings.csv names for each value the collector, the position and the message. Open "
            "the machine's file in proofs/ with any viewer of JSON: the message stands there as "
            "the machine signed it."
        ),
        None,
    ),
)

_WORDS = (
    ("Message", ("What a machine sends: readings, a state, an event; with its number, the hash of "
     "the message before it, and its signature.")),
    ("Signature", ("What only the holder of a key can make, and everybody can check. One changed "
     "letter, and it no longer holds.")),
    ("SHA-256, hash", ("64 hexadecimal digits that stand for a file. Nobody can make another file "
     "with the same.")),
    ("Session", ("From one start of a machine to the next. Messages of a session are numbered "
     "from 0 without a gap.")),
    ("Collector", ("The program that received the messages. It writes each into a log of its own, "
     "which can only grow.")),
    ("Log, head, root", ("The public log holds the heads of all collectors' logs. A head is its "
     "size and its root: one hash that stands for all entries, in their order.")),
    ("Witness", ("Somebody independent who signs a head only if it goes on from the one seen "
     "before: a history that was rewritten gets no signature.")),
    ("Operator", "Who says, signed, which key belongs to which machine."),
    ("Erased", ("A payload may be deleted after its time. Its hash stays in the log: that the "
     "message was there can be shown, what it said cannot.")),
)  # fmt: skip


def guide(manifest: Manifest) -> Markup:
    """Check it yourself, step by step."""
    steps = [
        joined(
            tag("li", tag("strong", title), tag("p", said), _commands(command)),
            raw("\n"),
        )
        for title, said, command in _STEPS
    ]
    return joined(
        tag("h2", "Check it yourself"),
        tag("p", "Package number: ", groups(manifest.number)),
        tag("ol", raw("\n"), steps),
    )


def _commands(said: str | None) -> Markup:
    if said is None:
        return joined("")
    return tag("pre", joined(*(joined(one, raw("\n")) for one in said.split("\n"))))


def glossary() -> Markup:
    """The words of this report."""
    rows = [
        joined(tag("div", tag("dt", word), tag("dd", text(said, 400))), raw("\n"))
        for word, said in _WORDS
    ]
    words = tag("dl", raw("\n"), rows, class_="facts")
    return joined(tag("div", tag("h2", "Words"), words, class_="whole"), raw("\n"))
