"""RFC 3161: what an authority's stamp shows, every way in which it can be false, and asking."""

import asyncio
import re
import subprocess
from datetime import UTC, datetime

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from anchor.errors import Malformed, Missing, Refused
from anchor.ledgers.tsa.client import TsaLedger
from anchor.ledgers.tsa.voucher import TsaVoucher

NOTE = b"example.org/log\n3\nsome root\n\n\xe2\x80\x94 example.org/log signature\n"


def roots(path):
    return x509.load_pem_x509_certificates(path.read_bytes())


@pytest.fixture(scope="module")
def voucher(authority):
    return TsaVoucher("office", roots(authority.root))


@pytest.fixture(scope="module")
def stamped(authority):
    return authority.stamp(authority.request(NOTE))


def test_a_stamp_shows_by_when_and_by_whose_word(voucher, stamped):
    now = datetime.now(UTC).timestamp()
    stamp = voucher.check(NOTE, stamped)
    assert (stamp.ledger, stamp.kind, stamp.lacking) == ("office", "tsr", None)
    assert stamp.voucher == "the time-stamp authority CN=Test tsa"
    # The authority says "within 1.5 s": the latest moment counts.
    assert now - 60 <= stamp.time <= now + 3
    assert any("word" in sentence for sentence in stamp.not_shown)


def test_one_root_under_several_names_is_one_source(authority, voucher, stamped):
    """Two names for one authority are one word about the time (anchor.time_bounds)."""
    both = roots(authority.root) + roots(authority.foreign)
    again = TsaVoucher("another-name", both), TsaVoucher("a-third", both[::-1])
    sources = {one.check(NOTE, stamped).sources for one in (voucher, *again)}
    assert len(sources) == 1
    theirs = authority.stamp(authority.request(NOTE), "stranger")
    for one in again:
        assert set(one.check(NOTE, theirs).sources).isdisjoint(*sources)


def test_a_root_that_is_renewed_with_its_key_is_the_same_source(authority, voucher, stamped):
    renewed = TsaVoucher("renewed", roots(authority.renewed))
    assert renewed.check(NOTE, stamped).sources == voucher.check(NOTE, stamped).sources


def test_one_key_that_two_roots_certified_is_one_source(authority, voucher, stamped):
    twin = authority.stamp(authority.request(NOTE), "twin")
    theirs = TsaVoucher("other", roots(authority.foreign)).check(NOTE, twin)
    assert set(voucher.check(NOTE, stamped).sources) & set(theirs.sources)


def test_the_accuracy_is_added(voucher, stamped):
    from rfc3161_client import decode_timestamp_response

    stated = decode_timestamp_response(stamped).tst_info.gen_time.timestamp()
    assert voucher.check(NOTE, stamped).time - stated == 2


def test_a_fraction_of_a_second_is_rounded_up(authority, voucher):
    """The library reads whole seconds: without what is after the point the bound is early."""
    receipt, stated = b"", None
    while stated is None:  # once in a million it states a whole second
        receipt = authority.stamp(authority.request(NOTE), "precise")
        stated = re.search(rb"(20\d{12})\.\d+Z", receipt)
    whole = datetime.strptime(stated[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert voucher.check(NOTE, receipt).time == whole.timestamp() + 1


@pytest.mark.parametrize(
    ("signer", "said"),
    [
        ("expired", "a certificate of it was not valid"),
        ("stranger", "does not lead to a pinned root"),
    ],
)
def test_a_false_certificate_is_refused(authority, voucher, signer, said):
    with pytest.raises(Refused, match=said):
        voucher.check(NOTE, authority.stamp(authority.request(NOTE), signer))


def test_certificates_count_in_any_order(authority, voucher):
    """OpenSSL lists them as its files do, which is not the order of DER."""
    receipt = authority.stamp(authority.request(NOTE), "stranger")
    own = TsaVoucher("other", roots(authority.foreign))
    leaf, root = (certificate(authority, stem) for stem in ("stranger", "foreign"))
    both = {receipt.replace(leaf + root, root + leaf), receipt.replace(root + leaf, leaf + root)}
    assert len(both) == 2
    assert len({own.check(NOTE, one) for one in both}) == 1


def test_a_root_that_the_answer_brings_itself_lends_no_trust(authority, voucher):
    receipt = authority.stamp(authority.request(NOTE), "stranger")
    assert certificate(authority, "foreign") in receipt
    TsaVoucher("other", roots(authority.foreign)).check(NOTE, receipt)
    with pytest.raises(Refused, match="does not lead to a pinned root: self-signed"):
        voucher.check(NOTE, receipt)


def test_a_key_that_is_not_for_time_stamping_is_refused(authority, voucher, stamped):
    """The same key and number, certified by the root for something else."""
    mine, other = (certificate(authority, stem) for stem in ("tsa", "wrong"))
    assert mine in stamped
    assert len(mine) == len(other)
    with pytest.raises(Refused, match="not for time-stamping"):
        voucher.check(NOTE, stamped.replace(mine, other))


def certificate(authority, stem):
    (found,) = roots(authority.folder / f"{stem}.pem")
    return found.public_bytes(Encoding.DER)


def test_another_checkpoint_is_refused(voucher, stamped):
    with pytest.raises(Refused, match="something else than this checkpoint"):
        voucher.check(NOTE + b"x", stamped)


def test_a_policy_that_is_pinned_must_be_the_stamps(authority, stamped):
    pinned = roots(authority.root)
    TsaVoucher("office", pinned, x509.ObjectIdentifier("1.2.3.4.1")).check(NOTE, stamped)
    with pytest.raises(Refused, match=r"under policy 1\.2\.3\.4\.1, pinned is 1\.2\.3\.4\.2"):
        TsaVoucher("office", pinned, x509.ObjectIdentifier("1.2.3.4.2")).check(NOTE, stamped)


@pytest.mark.parametrize(
    "change",
    [lambda r: r + b"\0", lambda r: r[:-1], lambda r: b"", lambda r: b"\x30\x03\x02\x01\x02"],
)
def test_what_is_no_whole_response_is_refused(voucher, stamped, change):
    with pytest.raises((Malformed, Refused)):
        voucher.check(NOTE, change(stamped))


def test_a_stamp_that_was_not_granted_says_what_the_authority_said(authority, voucher):
    request = authority.request(NOTE).replace(
        bytes.fromhex("608648016503040201"), bytes.fromhex("608648016503040204")
    )
    with pytest.raises(Refused, match="did not grant a stamp: rejection"):
        voucher.check(NOTE, authority.stamp(request))


def test_one_byte_changed_anywhere_is_refused(voucher, stamped):
    """Or shows the very same: nothing that is believed can be changed."""
    good, passed = voucher.check(NOTE, stamped), []
    for place in range(len(stamped)):
        for flip in (0x01, 0x80):
            changed = bytearray(stamped)
            changed[place] ^= flip
            try:
                found = voucher.check(NOTE, bytes(changed))
            except (Malformed, Refused):
                continue
            assert found == good
            passed.append(place)
    # The name of the signature's algorithm, beside the signature: nobody reads it.
    assert not passed or max(passed) - min(passed) < 16


def test_openssl_verifies_the_same_response(authority, stamped, tmp_path):
    (tmp_path / "note").write_bytes(NOTE)
    (tmp_path / "stamp.tsr").write_bytes(stamped)
    assert b"Verification: OK" in openssl(tmp_path / "note", tmp_path / "stamp.tsr", authority.root)


def openssl(note, receipt, root):
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", note, "-in", receipt, "-CAfile", root],
        capture_output=True,
        check=True,
    )
    return done.stdout


# -- asking -------------------------------------------------------------------------------


class Asking:
    """A ledger on a server, and the tickets that it had kept."""

    def __init__(self, server, voucher):
        self.server, self.voucher, self.tickets = server, voucher, []

    async def _keep(self, ticket):
        self.tickets.append(ticket)

    def ask(self, ticket=None):
        async def go():
            ledger = TsaLedger(self.server.url, self.voucher, httpx.AsyncClient(timeout=10))
            try:
                return await ledger.advance(NOTE, ticket, self._keep)
            finally:
                await ledger.aclose()

        return asyncio.run(go())


@pytest.fixture
def asking(tsa, voucher):
    return Asking(tsa, voucher)


def test_asked_it_stamps_and_the_same_request_goes_again_after_a_kill(asking):
    receipt = asking.ask()
    assert asking.voucher.check(NOTE, receipt)
    (ticket,) = asking.tickets
    asking.ask(ticket)
    assert asking.tickets == [ticket]
    assert len(asking.server.asked) == 2
    assert len(set(asking.server.asked)) == 1


@pytest.mark.parametrize(
    ("trouble", "error", "said"),
    [
        ("busy", Missing, "HTTP status 503"),
        ("page", Missing, "answers with text/html"),
        ("rejects", Missing, "did not grant a stamp: rejection"),
        ("expired", Refused, "a certificate of it was not valid"),
        ("stranger", Refused, "does not lead to a pinned root"),
        ("trailing", Refused, "no time-stamp response"),
    ],
)
def test_what_an_authority_does_wrong_is_said(asking, trouble, error, said):
    asking.server.trouble = trouble
    with pytest.raises(error, match=said):
        asking.ask()


def test_an_answer_to_another_request_is_refused(asking):
    asking.ask()
    asking.server.trouble = "replay"
    with pytest.raises(Refused, match="the nonce is not the one that was sent"):
        asking.ask()


def test_an_authority_that_is_not_there_is_said(asking):
    asking.server.url = "http://127.0.0.1:9/"
    with pytest.raises(Missing, match="cannot be reached"):
        asking.ask()


# -- third parties' stamps --------------------------------------------------------------------


def vector(vectors, folder, name):
    place = vectors / "rfc3161" / folder
    if not place.is_dir():
        pytest.skip(f"no vectors at {place}")
    return TsaVoucher(folder, roots(place / "ts_chain.pem")), (place / name).read_bytes()


@pytest.mark.parametrize("hash_", ["sha256", "sha384", "sha512"])
def test_stamps_of_sigstores_authority_hold(vectors, hash_):
    voucher, receipt = vector(vectors, "sigstage", f"response-{hash_}.tsr")
    stamp = voucher.check(b"hello", receipt)
    assert stamp.voucher == "the time-stamp authority CN=sigstore-tsa,O=sigstore.dev"


def test_a_changed_signature_of_sigstores_authority_does_not_hold(vectors):
    voucher, receipt = vector(vectors, "sigstage", "response-invalid-signature.tsr")
    with pytest.raises(Refused, match="its signature does not hold"):
        voucher.check(b"hello", receipt)


def test_certificates_that_were_put_in_lend_no_trust(vectors, authority):
    voucher, receipt = vector(vectors, "test_tsa", "response-injected-certs.tsr")
    assert "Test TSA" in voucher.check(b"hello", receipt).voucher
    with pytest.raises(Refused, match="does not lead to a pinned root"):
        TsaVoucher("other", roots(authority.root)).check(b"hello", receipt)
