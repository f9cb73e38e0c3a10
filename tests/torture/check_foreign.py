"""What the broker acknowledged to a client without an outbox is stored.

Unless the broker died after that: what it had not handed on by then is the broker's to lose.
"""

from torture_findings import Finding, of


def check_foreign(events):
    stored = {row["foreign"] for row in of(events, "row") if row.get("foreign") is not None}
    for number in owed(events):
        if number not in stored:
            yield Finding("foreign-lost", f"message {number} was acknowledged and is in no store")
    for row in of(events, "row"):
        if row.get("foreign") is not None and row["status"] != "unsigned":
            yield Finding("misjudged", f"foreign message {row['foreign']} is {row['status']}")


def owed(events):
    """The numbers of messages whose broker lived on: `since` is when their connection began.

    An acknowledgement may be read, and written down, when its broker is dead already.
    """
    ends = [e["at"] for e in of(events, "ended") if e["part"] == "broker"]
    last = max(ends, default=-1.0)
    return sorted({e["number"] for e in of(events, "published") if e["since"] > last})
