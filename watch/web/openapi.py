"""The OpenAPI 3.1 document of the API, its schemas made of the very types that are written. Pure.

Source: OpenAPI Specification 3.1.1; schemas are JSON Schema 2020-12, as msgspec writes them.
"""

from importlib.metadata import version
from typing import Any, Final

import msgspec

from telemetry.record import STATUSES
from watch.web import answers, stored

_SPOKEN: Final = (
    answers.Status,
    answers.Machines,
    answers.MachineWhole,
    answers.Alarms,
    stored.Pipeline,
    stored.Log,
    stored.Devices,
    stored.Readings,
    stored.Messages,
    stored.Corrections,
    answers.Error,
    answers.Password,
    answers.Done,
    answers.Hello,
    answers.Points,
)
_NAME: Final = {"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"}
_WHOLE: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999_999}
_TIME: Final = {"type": "string", "format": "date-time"}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\u0000]+$"}
_CURSOR: Final = {"type": "string", "maxLength": 8192, "pattern": "^[A-Za-z0-9_-]+$"}
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
_STATUS: Final = {"type": "string", "enum": list(STATUSES)}

Json = dict[str, Any]


def document() -> Json:
    """Give the document."""
    _, components = msgspec.json.schema_components(
        _SPOKEN, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "factoryledger",
            "version": version("factoryledger"),
            "summary": "A factory's telemetry and the log that it is anchored in; read only.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "factoryledger",
                    "description": "From POST /login; needed where status says so.",
                }
            },
        },
    }


def _paths() -> Json:
    found = {
        "/api/v1/status": _get("What can be had now.", "Status", public=True),
        "/api/v1/machines": _get("Every machine, as live messages tell it.", "Machines"),
        "/api/v1/machines/{device}": _get(
            "One machine with its metrics and newest readings.",
            "MachineWhole",
            _value("device", _NAME, where="path"),
            others=("404",),
        ),
        "/api/v1/alarms": _get("Alarms, and gaps of the store.", "Alarms"),
        "/api/v1/pipeline": _get("The collector's numbers.", "Pipeline", others=("503",)),
        "/api/v1/log": _get("The anchor log.", "Log", others=("503",)),
        "/api/v1/devices": _get("The keys that the log brings.", "Devices", others=("503",)),
        "/api/v1/readings": _get(
            "Stored readings of a machine, by its own time; the last hour unless named.",
            "Readings",
            _value("device", _NAME, needed=True),
            _value("metric", _TEXT),
            _value("from", _TIME),
            _value("to", _TIME),
            _value("limit", _LIMIT),
            _value("after", _CURSOR),
            others=("503",),
        ),
        "/api/v1/corrections": _get(
            "What the operator said of stored messages, the newest first.",
            "Corrections",
            _value("device", _NAME),
            others=("503",),
        ),
        "/api/v1/messages": _get(
            "Stored messages, the newest first.",
            "Messages",
            _value("device", _NAME),
            _value("status", _STATUS),
            _value("limit", _LIMIT),
            _value("after", _CURSOR),
            others=("503",),
        ),
        "/api/v1/proof": _proof(),
        "/api/v1/policy": _file("The policy. Who trusts it takes it from elsewhere.", "text/plain"),
        "/api/v1/live": _live(),
        "/api/v1/openapi.json": _file("This document.", "application/json", public=True),
        "/checkpoint": _file("The log's newest checkpoint (C2SP).", "text/plain", public=True),
        "/login": _post("Log in: the answer sets a cookie.", body=True),
        "/logout": _post("Log out."),
    }
    return {path: {method: what} for path, (method, what) in found.items()}


def _get(
    about: str, schema: str, *values: Json, public: bool = False, others: tuple[str, ...] = ()
) -> tuple[str, Json]:
    good = {"description": about, "content": _json(schema)}
    return "get", _operation(about, good, values, public=public, others=others)


def _file(about: str, media: str, *, public: bool = False) -> tuple[str, Json]:
    schema = {"type": "object"} if media == "application/json" else {"type": "string"}
    good = {"description": about, "content": {media: {"schema": schema}}}
    return "get", _operation(about, good, (), public=public, others=("404", "503"))


def _proof() -> tuple[str, Json]:
    about = "The proof of a message, by device, session and seq, or by collector and position."
    values = [
        _value("device", _NAME),
        _value("session", _NAME),
        _value("seq", _WHOLE),
        _value("collector", _NAME),
        _value("position", _WHOLE),
    ]
    good = {
        "description": "A proof file, which `factoryledger verify` and the verifier page take.",
        "content": {"application/octet-stream": {"schema": {"type": "string"}}},
    }
    return "get", _operation(about, good, values, others=("404", "409", "503"))


def _live() -> tuple[str, Json]:
    about = (
        "Server-sent events: hello (Hello), machines (Machines: those that changed), readings "
        "(Points, of the device asked for), alarm (Alarm), pipeline (Pipeline), log (Log)."
    )
    good = {"description": about, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return "get", _operation(about, good, (_value("device", _NAME),), others=("503",))


def _post(about: str, *, body: bool = False) -> tuple[str, Json]:
    good = {"description": about, "content": _json("Done")}
    others = ("401", "429") if body else ()
    operation = _operation(about, good, (), public=True, others=others)
    if body:
        operation["requestBody"] = {"required": True, "content": _json("Password")}
    return "post", operation


def _operation(
    about: str, good: Json, values: Any, *, public: bool = False, others: tuple[str, ...] = ()
) -> Json:
    codes = ("400", *(() if public else ("401",)), *others)
    faults = {code: {"description": _FAULTS[code], "content": _json("Error")} for code in codes}
    return {
        "summary": about,
        "parameters": list(values),
        "responses": {"200": good, **faults},
        "security": [] if public else [{}, {"session": []}],
    }


_FAULTS: Final = {
    "400": "A value is none that it may have.",
    "401": "A password is needed, or was wrong.",
    "404": "There is none, or not yet.",
    "409": "What is stored is not what was anchored.",
    "429": "Too many try.",
    "503": "What it reads is away.",
}


def _value(name: str, schema: Json, *, where: str = "query", needed: bool = False) -> Json:
    required = needed or where == "path"
    return {"name": name, "in": where, "required": required, "schema": schema}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
