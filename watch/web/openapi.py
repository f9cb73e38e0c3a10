"""The OpenAPI document of the API. Pure."""

DOCUMENT: dict[str, object] = {}
