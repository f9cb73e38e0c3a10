"""Each kind of violation, forged into a good history, is named; a good one has no findings."""

from forged import digest, event, good
from torture_checker import check, summary
from torture_findings import of
from torture_tree import roots_at

from anchor.merkle import tree_root


def kinds(events):
    return {finding.kind for finding in check(events)}


def test_a_good_history_has_no_findings():
    assert check(good()) == []
    counts = summary(good(), [])
    assert (counts["recorded"], counts["stored_once"], counts["lost"]) == (5, 5, 0)


def test_the_checkers_own_tree_is_the_one_of_the_log():
    leaves = [bytes.fromhex(digest(str(n))) for n in range(70)]
    assert roots_at(leaves, range(71)) == {n: tree_root(leaves[:n]) for n in range(71)}
    assert roots_at(leaves, (71,)) == {}


# -- readings ------------------------------------------------------------------------------


def last_row(events):
    return of(events, "row")[-1]


def test_a_reading_that_is_in_no_store_is_lost():
    events = good()
    last_row(events)["status"] = "unknown-device"
    assert kinds(events) == {"lost"}


def test_a_reading_that_is_stored_twice_in_a_store_is_doubled():
    events = good()
    events.insert(events.index(last_row(events)) + 1, {**last_row(events), "position": 5})
    assert {"doubled"} < kinds(events)


def test_a_reading_of_two_stores_is_a_copy():
    events = good()
    events.append({**last_row(events), "store": "b", "collector": "c2", "position": 0})
    assert "doubled" not in kinds(events)
    assert summary(events, [])["copies"] == 1


def test_a_reading_that_nobody_recorded_is_invented():
    events = good()
    events.remove(of(events, "recorded")[-1])
    assert kinds(events) == {"invented", "miscounted"}


def test_a_stored_body_that_is_another_is_altered():
    events = good()
    last_row(events)["body"] = digest("another")
    assert kinds(events) == {"altered"}


def test_a_message_that_is_judged_false_is_found():
    events = good()
    for row in of(events, "row")[:1]:
        row["status"] = "bad-signature"
    assert "misjudged" in kinds(events)


def test_a_will_is_never_signed_and_no_finding():
    events = good()
    last_row(events).update(status="unsigned", kind="death", device=None)
    assert "misjudged" not in kinds(events)


def test_a_number_that_is_missing_inside_is_a_gap():
    events = good()
    for found in (of(events, "row"), of(events, "recorded")):
        found[2]["seq"] = 7
    assert "gap" in kinds(events)


def test_a_prev_that_names_nothing_breaks_the_chain():
    events = good()
    last_row(events)["prev"] = digest("nothing")
    assert kinds(events) == {"chain"}


def test_a_session_that_begins_without_a_prev_breaks_the_chain():
    events = good()
    of(events, "row")[3]["prev"] = None
    assert kinds(events) == {"fork"}


def test_a_chain_that_goes_in_a_circle_is_found():
    events = good()
    rows = of(events, "row")
    rows[3]["prev"] = rows[4]["body"]
    assert kinds(events) == {"chain"}


def test_two_messages_after_one_are_a_fork():
    events = good()
    last_row(events)["prev"] = of(events, "row")[2]["body"]
    assert "fork" in kinds(events)


def test_a_number_that_was_given_twice_is_found():
    events = good()
    events.insert(2, {**of(events, "recorded")[0], "body": digest("another")})
    assert "number-reused" in kinds(events)


def test_machines_that_hold_evict_or_miscount_are_found():
    for name, kind in (("held", "held"), ("evicted", "held"), ("recorded", "miscounted")):
        events = good()
        of(events, "tally")[0]["said"][name] += 1
        assert kinds(events) == {kind}
    events = good()
    of(events, "tally")[0]["said"] = None
    assert kinds(events) == {"no-tally"}


# -- messages of a client without an outbox ------------------------------------------------


def foreign(events, numbers, kept):
    """Add acknowledged messages, and rows of those that are stored."""
    calm = events.index(of(events, "calm")[0])
    events[calm:calm] = [event("published", number=number, since=0.5) for number in numbers]
    row = {**last_row(events), "status": "unsigned", "kind": "stranger", "device": None}
    rows = [{**row, "collector": "c2", "position": n, "foreign": n} for n in kept]
    return [*events, *rows]


def test_what_was_acknowledged_and_is_not_stored_is_lost():
    assert "foreign-lost" in kinds(foreign(good(), [0, 1, 2], [0, 2]))
    assert not {"foreign-lost", "misjudged"} & kinds(foreign(good(), [0, 1, 2], [0, 1, 2]))


def test_what_a_broker_had_that_died_is_its_own_to_lose():
    events = foreign(good(), [0, 1, 2], [0])
    # The last was acknowledged by the broker that came after; 1 was written down late.
    end = event("ended", part="broker", pid=1, code=-9, how="killed", said="") | {"at": 0.7}
    events.insert(events.index(of(events, "published")[0]), end)
    of(events, "published")[2]["since"] = 0.9
    lost = [found.what for found in check(events) if found.kind == "foreign-lost"]
    assert lost == ["message 2 was acknowledged and is in no store"]


# -- receipts ------------------------------------------------------------------------------


def test_a_receipt_for_what_that_collector_does_not_have_is_broken():
    events = good()
    of(events, "receipt")[0]["collector"] = "c2"
    assert kinds(events) == {"receipt-broken"}


def test_a_receipt_of_other_bytes_is_false():
    events = good()
    of(events, "receipt")[0]["bodies"] = digest("others")
    assert kinds(events) == {"receipt-false"}


def test_a_receipt_for_what_is_in_no_batch_is_found():
    events = good()
    events.remove(of(events, "batch")[1])
    assert {"receipt-not-logged"} < kinds(events)


def test_a_receipt_for_what_is_not_anchored_is_found():
    events = good()
    events.remove(of(events, "entry")[2])
    assert {"receipt-not-anchored"} < kinds(events)


def test_what_a_machine_let_go_and_nobody_has_is_found():
    events = good()
    of(events, "freed")[0]["ranges"] = [[0, 9]]
    assert kinds(events) == {"receipt-broken"}
    events = good()
    of(events, "freed")[0]["evicted"] = True
    assert kinds(events) == {"evicted"}


# -- logs ----------------------------------------------------------------------------------


def test_a_head_of_another_log_is_found_wherever_it_was_seen():
    for number in range(6):
        events = good()
        of(events, "checkpoint")[number]["root"] = digest("another log")
        assert kinds(events) == {"split-view", "log-rewritten"}


def test_a_log_that_was_rewritten_is_found():
    events = good()
    of(events, "entry")[0]["leaf"] = digest("other keys")
    assert kinds(events) == {"log-rewritten"}


def test_a_log_that_is_shorter_than_a_head_is_found():
    events = good()
    of(events, "checkpoint")[5]["size"] = 4
    assert kinds(events) == {"log-cut"}


def test_a_place_that_shows_an_older_head_again_is_found():
    events = good()
    first = of(events, "checkpoint")[0]
    events.insert(events.index(of(events, "checkpoint")[5]), first)
    assert kinds(events) == {"went-back"}


def test_a_run_that_published_nothing_is_found():
    assert "unpublished" in kinds([e for e in good() if e["event"] != "checkpoint"])


def test_a_batch_with_another_root_is_found():
    events = good()
    of(events, "row")[4]["leaf"] = digest("another record")
    assert kinds(events) == {"batch-root"}


def test_batches_that_do_not_follow_are_found():
    events = good()
    of(events, "batch")[1]["start"] = 3
    assert {"batch-gap"} < kinds(events)


def test_positions_with_a_gap_or_twice_are_found():
    events = good()
    last_row(events)["position"] = 9
    assert "position-gap" in kinds(events)
    events = good()
    last_row(events)["position"] = 3
    assert "position-twice" in kinds(events)


def test_a_batch_that_is_anchored_twice_or_in_another_order_is_found():
    for order in ((1, 2, 2), (2, 1)):
        events = good()
        entries = of(events, "entry")
        kept = [event for event in events if event["event"] != "entry"]
        more = [entries[0], *(entries[number] for number in order)]
        assert "anchored-otherwise" in kinds(kept + more)


def test_what_cannot_be_read_is_found_but_while_it_lies_damaged():
    events = good()
    unreadable = of(events, "unreadable")[0]
    assert kinds([*events, unreadable]) == {"unreadable"}
    assert kinds([*events, {**unreadable, "what": "receipt"}]) == {"unreadable"}


# -- how the parts ran ---------------------------------------------------------------------


def test_an_end_with_another_code_is_found():
    for code, how in ((70, "by itself"), (1, "by itself"), (0, "by itself"), (-11, "by itself"),
                      (3, "stopped"), (70, "stopped"), (-6, "killed")):  # fmt: skip
        events = good()
        end = event("ended", part="collect-1", pid=1, code=code, how=how, said="oh")
        events.insert(events.index(of(events, "calm")[0]), end)
        assert kinds(events) == {"unexpected-end"}, (code, how)


def test_after_the_last_strike_nothing_is_missing_any_more():
    events = good()
    end = event("ended", part="anchor", pid=1, code=3, how="by itself", said="no broker")
    events.insert(events.index(of(events, "calm")[0]) + 1, end)
    assert kinds(events) == {"unexpected-end"}


def test_a_refusal_is_right_under_damage_alone():
    events = good()
    end = event("ended", part="fleet-1", pid=1, code=1, how="by itself", said="damaged")
    strike = {"kind": "broken-outbox", "target": "fleet-1"}
    at = events.index(of(events, "calm")[0])
    events[at:at] = [event("strike", **strike), end, event("healed", **strike)]
    assert kinds(events) == set()
    events[at:at] = [end]
    assert kinds(events) == {"unexpected-end"}


def test_a_kill_in_the_middle_of_a_step_is_a_strike_of_that_part_alone():
    strike = {"kind": "io-error", "target": "collect-1"}
    for part, found in (("collect-1", set()), ("anchor", {"unexpected-end"})):
        events = good()
        at = events.index(of(events, "calm")[0])
        end = event("ended", part=part, pid=1, code=-9, how="by itself", said="")
        events[at:at] = [event("strike", **strike), end, event("healed", **strike)]
        assert kinds(events) == found


def test_whoever_reads_a_damaged_file_may_refuse_it():
    end = event("ended", part="collect-1", pid=1, code=2, how="by itself", said="cut short")
    for at, late, found in ((1, 0.0, set()), (0, 5.0, set()), (0, 99.0, {"unexpected-end"})):
        events = good()
        mended = of(events, "mended")[0]
        events.insert(events.index(mended) + 1 - at, {**end, "at": mended["at"] + late})
        assert kinds(events) == found


def test_damage_that_nobody_noticed_is_found():
    events = good()
    of(events, "damage")[0]["noticed"] = False
    assert kinds(events) == {"damage-unnoticed"}


def test_a_strike_that_failed_is_no_good_run():
    assert kinds([*good(), event("broken", kind="kill", target="anchor", said="oh")]) == {"broken"}


def test_tracebacks_and_memory_are_found():
    assert kinds([*good(), event("traceback", part="anchor", said="…\nKeyError: 1")]) == {
        "traceback"
    }
    events = good()
    of(events, "memory")[0]["megabytes"] = 1000.0
    assert kinds(events) == {"memory"}


def test_a_run_that_never_came_to_rest_is_found():
    events = good()
    events.remove(of(events, "quiet")[0])
    assert kinds(events) == {"stuck"}
    assert kinds([*good(), event("stuck", what="machines")]) == {"stuck"}
    assert kinds([e for e in good() if e["event"] != "audit"]) == {"stuck"}


def test_what_audit_and_stats_find_is_found():
    events = good()
    of(events, "audit")[0].update(code=1, said={"findings": [{"kind": "x"}]})
    assert kinds(events) == {"audit"}
    for name, value, kind in (
        ("received", 7, "conservation"), ("anchored", 4, "stats"), ("gaps", [{}], "stats"),
    ):  # fmt: skip
        events = good()
        of(events, "stats")[0]["said"][name] = value
        assert kinds(events) == {kind}
