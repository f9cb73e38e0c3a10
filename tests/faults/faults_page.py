"""docs/faults.md, from the faults' own docstrings and models: `make docs` writes it."""

import re
import sys
from pathlib import Path

from simulator.faults.fault import ProcessFault
from simulator.faults.schedule import _suits
from simulator.faults.spec import SPECS
from simulator.machines import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
COMMON = {"fault", "machine", "start", "lasts", "metric"}
GROUPS = {
    "sensor": "The machine is well; one of its sensors says something else. Every one names a "
    "`metric`, or a pattern of them; what is read is cut off at the sensor's range.",
    "process": "The machine itself is unwell. The fault is in its state, and the physics bring "
    "the rest: heat with its time constant, power, vibration, scrap. After the end that goes as "
    "it came, so consequences outlast the interval, which labels the cause.",
    "network": "Machine and sensors are well; messages come late, twice, in another order, or "
    "with a wrong time. None is lost or stored twice: that is what the line promises.",
    "security": "Somebody else acts. Against a fleet the attacker is an MQTT client of its own "
    "with the fleet's credentials; a broker that lets a client publish under its own name only "
    "refuses it. In the data: the status in the store, and what `audit` says.",
}

HEAD = Path(__file__).with_name("faults_head.md").read_text("utf-8")


def rule(spec):
    """The module's docstring: what the fault does."""
    text = sys.modules[spec.__module__].__doc__
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return "\n\n".join(
        part.removesuffix("Pure.").rstrip() for part in paragraphs if part != "Pure."
    )


def fields(spec):
    """Its own fields: name, what is allowed, default, meaning."""
    schema = spec.model_json_schema()
    for name, said in schema["properties"].items():
        if name not in COMMON:
            yield name, _allowed(said), _default(spec, name), said["description"]


def _allowed(said):
    if "enum" in said:
        return ", ".join(f"`{value}`" for value in said["enum"])
    options = [one for one in said.get("anyOf", [said]) if one.get("type") != "null"]
    if any("pattern" in one for one in _flat(options)):
        return "span"
    (one,) = options
    low = one.get("minimum", one.get("exclusiveMinimum"))
    high = one.get("maximum", one.get("exclusiveMaximum"))
    if low is None and high is None:
        return "number"
    first = "from" if "minimum" in one else "above"
    return f"{first} {low:g}" + ("" if high is None else f" to {high:g}")


def _flat(options):
    for one in options:
        yield one
        yield from one.get("anyOf", ())


def _default(spec, name):
    value = spec.model_fields[name].default
    if name in {"delay", "every", "within", "ramp"} and isinstance(value, int):
        return f"{value / 1000:g} s"
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def one(name, spec):
    """A fault's part of the page."""
    lines = [f"### `{name}`", "", rule(spec), ""]
    if issubclass(spec, ProcessFault) and spec.field is not None:
        example = spec(fault=name, machine="*", start=0, lasts=1)
        kinds = ", ".join(kind for kind in sorted(KINDS) if _suits(example, kind))
        lines += [f"Kinds that can have it: {kinds}.", ""]
    table = list(fields(spec))
    if table:
        lines += ["| field | allowed | default | |", "|---|---|---|---|"]
        lines += [
            f"| `{field}` | {allowed} | {value} | {said} |" for field, allowed, value, said in table
        ]
        lines.append("")
    return lines


def render():
    """The whole page."""
    lines = [HEAD]
    for group, said in GROUPS.items():
        lines += [f"## {group.capitalize()}", "", said, ""]
        for name, spec in SPECS.items():
            if spec.group == group:
                lines += one(name, spec)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
