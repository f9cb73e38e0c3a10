"""The broker: reachable, and configured for the promises. Leaves nothing behind there."""

import secrets
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from factoryledger.broker_identity import take_identity
from factoryledger.doctor.line import Line, bad, good, warning
from factoryledger.doctor.visit import FOR_EVER, Denied, Unanswered, Visit
from factoryledger.errors import NotThere
from factoryledger.installation import Installation
from telemetry.address import NOBODY, Credentials

_QUEUED: Final = 3000  # messages; what brokers keep by default is 1000
_PACKET: Final = 2**20
_WEEK: Final = 7 * 86_400
_TAKEN_OVER: Final = 0.5  # s
_CONFIG: Final = "use broker-config/mosquitto.conf, which says why of each line"


def check_broker(place: Installation, *, probe: bool) -> Iterator[Line]:
    """What the broker offers; with `probe` also what it keeps for a client that is away."""
    address = place.broker
    if place.settings.broker_user and not probe:
        # One name may be one connection there: logging in would end the part that uses it.
        yield good("broker", f"{address}: not logged in as a part may be; --probe does")
        return
    try:
        credentials, ours = _credentials(place)
    except NotThere as error:
        yield bad("broker", str(error), "end one of them, or make more by `init --broker-host`")
        return
    try:
        with Visit(address, credentials, session_expiry=FOR_EVER) as visit:
            yield good("broker", f"{address} answers")
            yield from _offer(visit.offer, place)
            one_each = ours and _is_taken_over(visit, place, credentials)
        yield from _strangers(place, credentials, one_each=one_each)
        if probe and not one_each and not place.public:
            yield _queue(place, credentials)
    except Denied as error:
        yield bad("broker", f"{address}: {error}", "see user, password or certificate")
    except (OSError, Unanswered) as error:
        todo = "start it, or name another by --broker"
        if isinstance(error, ssl.SSLError):
            todo = "see broker_ca_file, and that the name in --broker is the certificate's"
        yield bad("broker", f"{address}: {error}", todo)


def _credentials(place: Installation) -> tuple[Credentials, bool]:
    """Who to be there, and whether nobody else is it."""
    watch = place.broker_files.path / "watch"
    if not place.settings.broker_identity and watch.is_dir():
        identity = take_identity(place.broker_files.path, "watch")
        return identity.credentials(tls=place.broker.tls), True
    return place.credentials, place.broker_identity is not None


def _offer(offer: dict[str, Any], place: Installation) -> Iterator[Line]:
    """CONNACK's properties (MQTT 5, section 3.2.2.3); what is not there is unlimited."""
    about, ill = "broker's limits", list[Line]()
    if not offer.get("MaximumQoS", 2):
        ill.append(bad(about, "it offers QoS 0 alone", "no promise holds there: use another"))
    if not offer.get("RetainAvailable", 1):
        ill.append(bad(about, "it retains nothing: machines learn no checkpoint", _CONFIG))
    if place.settings.share and not offer.get("SharedSubscriptionAvailable", 1):
        ill.append(bad(about, "it has no shared subscriptions", "run one collector, without share"))
    packet = offer.get("MaximumPacketSize", 2**28)
    if packet < _PACKET:
        ill.append(warning(about, f"packets of {packet:,} bytes at most", _CONFIG))
    expiry = offer.get("SessionExpiryInterval", FOR_EVER)
    if expiry < _WEEK:
        ill.append(
            warning(
                about,
                f"it keeps what comes for a collector that is away for {expiry:,} s at most",
                _CONFIG,
            )
        )
    inflight = offer.get("ReceiveMaximum", 65_535)
    if inflight < 100:  # noqa: PLR2004 - its default is 20: a fleet's throughput
        ill.append(warning(about, f"{inflight} messages unanswered at most: slow", _CONFIG))
    yield from ill or [
        good(about, f"packets of {packet:,} bytes, {inflight:,} unanswered, sessions kept")
    ]


def _is_taken_over(visit: Visit, place: Installation, credentials: Credentials) -> bool:
    """Whether another client id under the same name takes the first one's place."""
    with Visit(place.broker, credentials, client_id=f"doctor-{secrets.token_hex(4)}"):
        visit.stay(_TAKEN_OVER)
    return bool(visit.gone)


def _strangers(place: Installation, credentials: Credentials, *, one_each: bool) -> Iterator[Line]:
    about = "broker's clients"
    known = credentials.username is not None or credentials.tls is not None
    if known and not one_each:
        yield warning(
            about,
            "a user can take another's session by its client id, with all that waits in it",
            "set use_username_as_clientid true",
        )
    try:
        with Visit(place.broker, _nobody(credentials)):
            pass
    except (Denied, Unanswered, OSError):
        yield good(about, "nobody gets in without a name")
        return
    if known:
        yield warning(about, "somebody without a name gets in too", "set allow_anonymous false")
    elif _is_here(place.broker.host):
        yield good(about, "everybody on this machine gets in, and nobody else")
    else:
        yield warning(
            about,
            "everybody gets in, and may take any session by its client id",
            "right for a public broker with --prefix auto; else `factoryledger init --broker-host`",
        )


def _nobody(credentials: Credentials) -> Credentials:
    if credentials.tls is None:
        return NOBODY
    trusting = ssl.create_default_context()
    trusting.load_verify_locations(
        cadata=b"".join(credentials.tls.get_ca_certs(binary_form=True)) or None
    )
    return Credentials(tls=trusting)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _queue(place: Installation, credentials: Credentials) -> Line:
    """Let a client go, publish to it, and count what it finds when it comes back."""
    about = "broker's queue"
    client = f"doctor-{secrets.token_hex(8)}"
    levels = [place.prefix, "factoryledger-doctor", secrets.token_hex(8)]
    topic = "/".join(filter(None, levels))
    try:
        with Visit(place.broker, credentials, client, session_expiry=600) as visit:
            visit.subscribe(topic)
            visit.leave(keep=True)
        with Visit(place.broker, credentials) as other:
            for number in range(_QUEUED):
                other.publish(topic, b"%d" % number)
            other.until(lambda: other.settled == _QUEUED, "PUBLISH")
        with Visit(
            place.broker, credentials, client, session_expiry=600, clean_start=False
        ) as visit:
            while len(visit.received) < _QUEUED:
                before = len(visit.received)
                visit.stay(2.0)
                if len(visit.received) == before:
                    break
            kept = len(set(visit.received))
    except Denied as error:
        return good(about, f"not tried: {error} for {topic}")
    if kept < _QUEUED:
        return bad(
            about,
            f"of {_QUEUED:,} messages for a client that was away it kept {kept:,}, and called the "
            "rest delivered",
            "raise max_queued_messages: broker-config/mosquitto.conf has what it takes",
        )
    return good(about, f"all of {_QUEUED:,} messages kept for a client that was away")
