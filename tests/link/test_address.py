"""Where a broker is, in one spelling, and never with a password in it."""

import pytest

from telemetry.link import Address, Credentials


@pytest.mark.parametrize(
    ("text", "address", "again"),
    [
        ("mqtt://localhost", Address("localhost", 1883), "mqtt://localhost:1883"),
        ("mqtt://10.0.0.1:2", Address("10.0.0.1", 2), "mqtt://10.0.0.1:2"),
        ("mqtts://b.example/", Address("b.example", 8883, tls=True), "mqtts://b.example:8883"),
        ("mqtt://[::1]:99", Address("::1", 99), "mqtt://[::1]:99"),
    ],
)
def test_an_address_is_read_and_written(text, address, again):
    assert Address.parse(text) == address
    assert str(address) == again
    assert Address.parse(again) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:1883",
        "http://a",
        "mqtt://",
        "mqtt://a:b",
        "mqtt://a:99999",
        "mqtt://a:0",
        "mqtt://a/path",
        "mqtt://a?x=1",
        "mqtt://a#f",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="broker address"):
        Address.parse(text)


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(ValueError) as caught:
        Address.parse("mqtt://me:s3cret@host")
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(Credentials("me", "s3cret"))
