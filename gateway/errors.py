"""What can go wrong in a gateway."""


class GatewayError(Exception):
    """Root of the gateway's errors."""


class BadMapping(GatewayError, ValueError):  # noqa: N818 - says what the file is
    """A mapping file that cannot be read or says something impossible."""


class SourceUnavailable(GatewayError):  # noqa: N818 - says what is not there
    """A source does not answer, or does not let the gateway hear what its mapping names."""
