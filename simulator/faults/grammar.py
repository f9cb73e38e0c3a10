"""A fault in one line, for the command line: `drift:mill-01/power@30+60,by=2.5`.

    <fault>:<machine>[/<metric>]@<start>+<lasts>[,<field>=<value>…]

Times are seconds, or spans like `1h30m`; machine and metric may be patterns. It says what a
scenario's `faults:` entry of the same fields says, and is held to the same rules. Pure.
"""

import re
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from simulator.errors import BadScenario
from simulator.faults.fault import FaultSpec, SensorFault
from simulator.faults.spec import SPECS, AnyFault

GRAMMAR: Final = "FAULT:MACHINE[/METRIC]@START+LASTS[,FIELD=VALUE...]"

_TEXT: Final = re.compile(
    r"(?P<fault>[^:@+,=/]*):(?P<machine>[^@/]*)(?:/(?P<metric>[^@]*))?"
    r"@(?P<start>[^+,]*)\+(?P<lasts>[^,]*)(?P<fields>(?:,[^=,]*=[^,]*)*)"
)
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_ADAPTER: Final[TypeAdapter[Any]] = TypeAdapter(AnyFault)
_COMMON: Final = frozenset({"fault", "machine", "metric", "start", "lasts"})


def read_fault(text: str) -> FaultSpec:
    """The fault that a line says; BadScenario says what is wrong with it and what is allowed."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise BadScenario(
            f"{text!r} is no fault; allowed: {GRAMMAR}, like drift:mill-01/power@30+60"
        )
    name, metric = match["fault"], match["metric"]
    spec = SPECS.get(name)
    if spec is None:
        raise BadScenario(f"{text!r}: no fault {name!r}; allowed: {', '.join(SPECS)}")
    if (metric is not None) != issubclass(spec, SensorFault):
        said = (
            "needs a metric: MACHINE/METRIC" if metric is None else "has no metric: MACHINE alone"
        )
        raise BadScenario(f"{text!r}: {name} {said}")
    return _validated(text, spec, {**_common(match), **_fields(text, spec, match["fields"])})


def _common(match: re.Match[str]) -> dict[str, Any]:
    said: dict[str, Any] = {name: match[name] for name in ("fault", "machine")}
    if match["metric"] is not None:
        said["metric"] = match["metric"]
    return said | {name: _number(match[name]) for name in ("start", "lasts")}


def _fields(text: str, spec: type[FaultSpec], written: str) -> dict[str, Any]:
    own = [name for name in spec.model_fields if name not in _COMMON]
    fields: dict[str, Any] = {}
    for part in written.split(",")[1:]:
        name, _, value = part.partition("=")
        if name not in own or name in fields:
            said = "is there twice" if name in fields else "is no field of it"
            raise BadScenario(f"{text!r}: {name!r} {said}; allowed: {', '.join(own) or 'none'}")
        fields[name] = _number(value)
    return fields


def _number(text: str) -> float | str:
    """A number where it is one: seconds of a span, or a size; else as it is."""
    return float(text) if _SECONDS.fullmatch(text.removeprefix("-")) else text


def _validated(text: str, spec: type[FaultSpec], fields: dict[str, Any]) -> FaultSpec:
    try:
        made = _ADAPTER.validate_python(fields)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where, said = found["loc"][-1], found["msg"]
        allowed = found.get("ctx", {}).get("expected")
        said = f"allowed: {allowed}" if allowed else said[0].lower() + said[1:]
        raise BadScenario(f"{text!r}: {where}: {said}, not {found['input']!r}") from error
    assert isinstance(made, spec)
    return made
