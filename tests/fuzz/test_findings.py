"""What fuzzing found, each once: refused now by the error that its parser declares."""

import io
import json

import pytest
from fuzz_of_nodes import block, transaction_receipt
from fuzz_of_plants import LAUGHS, SMALL
from fuzz_of_recordings import MOSQUITTO_21, packed
from fuzz_of_roof import requests_in_der
from fuzz_table import target
from fuzz_target import attempt, measured

from telemetry.recording import read

PLAIN = MOSQUITTO_21.replace(b'{"user-properties":[{"name":"a","value":"b"}]}', b"{}")
ROW = b"a/b,x,1,False,%b,0.0\r\n"


def receipt(**members):
    """A transaction's receipt as a node gives it, with these members."""
    return json.dumps({**transaction_receipt(1, []), **members}).encode()


REFUSED = {
    "a name without a value": ("mosquitto", PLAIN.replace(b'"qos":1', b'"qos":null')),
    "no topic": ("mosquitto", PLAIN.replace(b'"topic":"a"', b'"topic":null')),
    "no time": (
        "mosquitto",
        PLAIN.replace(b'"tst":"2026-11-23T08:00:00.000000+0100"', b'"tst":null'),
    ),
    "a user property that is a number": (
        "mosquitto",
        PLAIN.replace(b'"properties":{}', b'"properties":{"user-properties":[1]}'),
    ),
    "a user property of two characters": (
        "mosquitto",
        PLAIN.replace(b'"properties":{}', b'"properties":{"user-properties":["ab"]}'),
    ),
    "bytes that are no text, of a session": ("session", b"\xff"),
    "bytes that are no text, of MQTTX": ("mqttx", b"\xff"),
    "bytes that are no text, of mqtt-recorder": ("csv", b"\xff"),
    "a time of a billion digits": ("csv", ROW % b"1E+999999999"),
    "a time beyond decimals": ("csv", ROW % b"1E+999999999999999999"),
    "a time of many digits": ("csv-base64", b"a/b,eA==,1,False,1E+9999999,0.0\r\n"),
}
OTHERS = {
    "settings nested without end": ("roof/settings", b"a=" + b"[" * 5000),
    "ledgers nested without end": ("roof/ledgers", b"a=" + b"[" * 5000),
    "a device's request of one line": ("roof/device-request", b"x"),
    "a certificate request of a later version": (
        "roof/certificate-request-der",
        requests_in_der()[0].replace(b"\x02\x01\x00", b"\x02\x01\x01", 1),
    ),
    "a book nested without end": ("roof/broker-book", b"[" * 5000),
    "a frame nested without end": ("plants/outbox-frame", b"H" + b"[" * 5000),
    "a head of another shape": ("plants/outbox-frame", b'H["outbox"]'),
    "aliases of aliases": ("plants/scenario", LAUGHS),
    "a scenario nested without end": ("plants/scenario", b"seed: " + b"[" * 5000),
    "a value inside of itself": ("plants/scenario", b"seed: &a [*a]\n"),
    "a password that is no text": (
        "web/request",
        b'POST /login\nhost: localhost\ncontent-type: application/json\n\n{"password":"\x80"}',
    ),
    "a frame that asks for 128 MiB": (
        "recordings/packed",
        bytes.fromhex("28b52ffd 00 88 0b0000 7b"),
    ),
    "a setting of thousands of digits": ("roof/settings", b"data = 0x" + b"f" * 5000),
    "a root of thousands of digits": ("roof/ledgers", b"[tsa]\nroots = [0x" + b"f" * 5000 + b"]"),
    "a seed of thousands of digits": ("plants/scenario", b"site: 0x" + b"f" * 5000 + b"\n"),
    "a log that is text": ("nodes/evm-json", receipt(logs=["a"])),
    "a status below zero": ("nodes/evm-json", receipt(status="-0x5")),
    "a type below zero": ("nodes/evm-json", receipt(type="-0x5")),
    "a base fee that is no number": (
        "nodes/evm-node",
        b"\n%%%\n".join(block()).replace(b'"0x7"', b'"zz"'),
    ),
    "a cursor beyond a column": ("web/cursor", b'{"C":' + b"9" * 30 + b"}"),
}
ALL = {**{said: (f"recordings/{name}", data) for said, (name, data) in REFUSED.items()}, **OTHERS}


@pytest.mark.parametrize("said", ALL)
def test_what_was_found_is_refused(said):
    name, data = ALL[said]
    assert not attempt(target(name), data)


@pytest.mark.parametrize("said", [one for one in ALL if "scenario" not in ALL[one][0]])
def test_what_was_found_stays_within_bounds(said):
    name, data = ALL[said]
    attempt(target(name), data)  # what is imported and kept once is not the input's
    measured(target(name), data)


def test_what_follows_a_packed_recording_is_said_to_be_more():
    kept = read(io.BytesIO(packed() + b"x" * 30), "file", keep_going=True)
    assert len([*kept]) == 4
    assert "there is more after the end mark" in str(kept.reasons[0])
    assert kept.complete is not True


def test_a_message_that_is_no_text_is_shown_on_the_page_as_faulty():
    """It ended the page's connection to the broker, and with it the page."""
    for name in ("screens/floor", "screens/terminal", "screens/line"):
        assert attempt(target(name), b'{"session":"\x80"}')


def test_a_scenario_may_repeat_itself_by_aliases():
    assert b"*mill" in SMALL
    assert attempt(target("plants/scenario"), SMALL)


def test_a_topic_that_begins_with_a_slash_is_another_one():
    assert attempt(target("messages/topic"), b"/spBv1.0/works/DDATA/line-1/mill-01")
