"""Reading a scenario: YAML in, a checked `Scenario` out, or what is wrong and where.

Every problem names file, line, field and what is allowed there. YAML 1.2 (docs/decisions/
scenarios-in-yaml.md): `06:00` and `on` are texts, a field that comes twice is an error.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from simulator.edge import edges_of
from simulator.errors import BadScenario
from simulator.faults.schedule import impossible
from simulator.scenario import Loc, Scenario, contradictions, schema
from simulator.scenario_plant import placed
from simulator.yaml_bounds import OutOfBounds, check_bounds
from telemetry.canonical import is_segment, shown

SHIPPED: Final = Path(__file__).parent / "scenarios"
LARGEST: Final = 4 << 20


def shipped() -> dict[str, Path]:
    """The scenarios that come with the program, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_scenario(name: str | Path) -> Scenario:
    """A shipped scenario by its name, or any by its file's path; BadScenario."""
    path = shipped().get(str(name), Path(name))
    if not path.is_file():
        known = ", ".join(shipped())
        raise BadScenario(f"{name}: no such file; allowed: a path, or one of {known}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: {error}; allowed: a YAML file in UTF-8") from error
    return read_scenario(text, str(path))


def read_scenario(text: str, file: str) -> Scenario:
    """Read a scenario's text; BadScenario names all that is wrong with it, by line."""
    if len(text) > LARGEST:
        raise BadScenario(f"{file}: {len(text)} characters; allowed: {LARGEST}, try `count:`")
    data, node = _parsed(text, file)
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        told = error.errors(include_url=False)
        problems = [_problem(file, node, one) for one in told if not _follows(one, told)]
        raise BadScenario("; ".join(dict.fromkeys(problems))) from error
    found = [*contradictions(scenario)] or [*_plant_faults(scenario)]
    if found:
        problems = [_at(file, node, loc, said) for loc, said in found]
        raise BadScenario("; ".join(dict.fromkeys(problems)))
    return scenario


def _parsed(text: str, file: str) -> tuple[Any, Node | None]:
    """The values, and the tree of nodes that knows their lines."""
    node = None
    try:
        check_bounds(text)
        node = YAML(typ="safe", pure=True).compose(text)
        return YAML(typ="safe", pure=True).load(text), node
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise BadScenario(f"{file}{line}: {error.problem or error.context}") from error
    except ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        said = f"the character #x{error.character:04x}"
        raise BadScenario(f"{file}:{number}: {said}; allowed: YAML 1.2 in UTF-8") from error
    except OutOfBounds as error:
        raise BadScenario(f"{file}:{error.line}: {error}") from error
    except (YAMLError, ArithmeticError, ValueError) as error:
        said, where = " ".join(str(error).split()), _unreadable(node)
        line = f":{where}" if where else ""
        raise BadScenario(f"{file}{line}: {said}; allowed: YAML 1.2 in UTF-8") from error


def _unreadable(node: Node | None) -> int | None:
    """The line of the first value that is no value: a date that no calendar has."""
    if isinstance(node, ScalarNode):
        try:
            YAML(typ="safe", pure=True).load(node.value)
        except (YAMLError, ArithmeticError, ValueError):
            return int(node.start_mark.line) + 1
        return None
    parts: list[Node] = []
    if isinstance(node, MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, SequenceNode):
        parts = node.value
    return next((line for part in parts if (line := _unreadable(part))), None)


def _follows(one: ErrorDetails, told: Iterable[ErrorDetails]) -> bool:
    """Whether a list is only too short because what is in it is wrong, which is told too."""
    loc = one["loc"]
    return one["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in told
    )


def _problem(file: str, node: Node | None, found: ErrorDetails) -> str:
    loc, kind, given = tuple(found["loc"]), found["type"], found["input"]
    if kind == "extra_forbidden":
        return _at(file, node, loc, _unknown_field(loc))
    if kind == "missing":
        said = "has too few values" if isinstance(loc[-1], int) else "is not there, and has to be"
        return _at(file, node, loc, said)
    context = found.get("ctx", {})
    if "discriminator" in context:
        tag = context["discriminator"].strip("'")
        loc, given = (*loc, tag), given.get(tag) if isinstance(given, dict) else given
    allowed = context.get("expected") or context.get("expected_tags") or context.get("pattern")
    said = f"allowed: {allowed}" if allowed else found["msg"][0].lower() + found["msg"][1:]
    return _at(file, node, loc, f"{said}, not {_short(given)}")


def _unknown_field(loc: Loc) -> str:
    fields = fields_at(loc[:-1])
    near = get_close_matches(str(loc[-1]), fields, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"no such field{meant}; allowed: {', '.join(fields)}"


def _short(value: object) -> str:
    text = value.isoformat() if isinstance(value, date) else shown(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line of a terminal


def _at(file: str, node: Node | None, loc: Loc, said: str) -> str:
    line, steps = _found(node, loc)
    return f"{file}:{line}: {'.'.join(map(str, steps)) or 'scenario'}: {said}"


def _found(node: Node | None, loc: Loc) -> tuple[int, list[int | str]]:
    """The line of the innermost part that is there, and the way to it as the file spells it.

    A step that no node has is a union's tag, or a field that is missing: only the last of
    those belongs into the way.
    """
    line, steps = 1 if node is None else node.start_mark.line + 1, []
    for number, part in enumerate(loc):
        child = _child(node, part)
        if child is not None:
            line, node = child
            steps.append(part)
        elif number == len(loc) - 1 and isinstance(part, str) and isinstance(node, MappingNode):
            steps.append(part)
    return line, steps


def _child(node: Node | None, part: int | str) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None


def _plant_faults(scenario: Scenario) -> Iterator[tuple[Loc, str]]:
    """What is wrong with the plant that comes of it: names, and faults that befall nobody."""
    seen: set[str] = set()
    machines = []
    for loc, machine in placed(scenario, 0):
        machines.append(machine)
        if machine.name in seen:
            yield loc, f"machine {machine.name!r} is there twice; allowed: each name once"
        if not is_segment(machine.name) or not is_segment(machine.topic.line):
            said = f"machine {machine.name!r} of line {machine.topic.line!r}"
            yield loc, f"{said}; allowed: names of at most 64 characters"
        seen.add(machine.name)
    try:
        edges_of(machines)
    except BadScenario as error:
        yield (), str(error)
    for number, fault in enumerate(scenario.faults):
        wrong = impossible(fault, machines)
        if wrong is not None:
            yield ("faults", number, wrong[0]), wrong[1]


def fields_at(loc: Loc) -> list[str]:
    """The fields that a scenario may have at this place, from its schema."""
    whole = schema()
    node = whole
    for part in loc:
        node = _step(whole, node, part)
    return list(_resolved(whole, node).get("properties", ()))


def _resolved(whole: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference, or an optional one, stands for."""
    while "$ref" in node or "anyOf" in node:
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].rsplit("/", 1)[1]]
        else:
            node = node["anyOf"][0]
    return node


def _step(whole: dict[str, Any], node: dict[str, Any], part: int | str) -> dict[str, Any]:
    node = _resolved(whole, node)
    if isinstance(part, int):
        return dict(node.get("items", {}))
    tags = node.get("discriminator", {}).get("mapping", {})
    if part in tags:
        return {"$ref": tags[part]}
    return dict(node.get("properties", {}).get(part, {}))
