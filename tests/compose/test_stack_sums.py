"""What the store, the log and an audit say of all that the tests before did."""

import time

import pytest
from stack import SENT_TWICE, docker, until

pytestmark = pytest.mark.compose


def test_nothing_was_lost_or_doubled_and_an_audit_from_outside_is_clean(stack, say):
    (simulator,) = stack.containers("simulator")
    # It waits for its receipts, and ends well only if it holds nothing.
    docker("stop", "--time", "60", simulator)
    assert stack.inspect(simulator)["State"]["ExitCode"] == 0
    until(stack.all_anchored, "all is anchored")
    found = stack.stats()
    statuses = {name: count for name, count in found["statuses"].items() if count}
    say(f"stored {found['stored']}: {statuses}; came again {found['duplicates']}")
    assert found["in_flight"] == found["refused"] == 0
    # Each machine's messages name the one before, from its first to the last that it recorded.
    assert found["gaps"] == found["breaks"] == []
    assert set(statuses) == {"accepted", "unsigned"}
    # Wills, which the broker publishes for who was killed, carry no signature; and the guest's.
    others = "SELECT count(*) FROM messages WHERE status = 'unsigned' AND topic NOT LIKE '%/death'"
    assert stack.sql(others) == "1"
    assert stack.sql(SENT_TWICE) == "0"
    began = time.monotonic()
    audited = stack.audit()
    say(f"audit from outside: {audited['messages']} messages, {time.monotonic() - began:.0f} s")
    assert audited["findings"] == []
    assert audited["clean"]
    assert audited["messages"] == audited["anchored_messages"] == found["stored"]
