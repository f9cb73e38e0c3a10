"""Settings read: flags, then FACTORYLEDGER_*, then factoryledger.toml, then the defaults.

What is wrong is named with the place where it stands: a flag, a variable, a line of the file.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from factoryledger.errors import WrongUsage
from factoryledger.settings import SETTINGS_FILE, VARIABLE, Settings
from telemetry.canonical import shown

# Variables of this name that set something else: the program's own, and those of the stack.
_NO_SETTINGS: Final = {
    "ADDRESS", "MQTTS_PORT", "PUBLIC_BROKER", "STOP_WITH_INPUT", "TRACEBACK", "WEB_PORT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting's value comes from: `flag`, `variable`, `file` or `default`; its spelling."""

    kind: str
    said: str


def read_settings(**flags: object) -> Settings:
    """Read the settings under these flags; a flag that is None was not given.

    Raises WrongUsage naming the setting and where it comes from being wrong.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    _check_variables()
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks each of them
    except ValidationError as error:
        raise WrongUsage(_first_complaint(error, given)) from error
    except SettingsError as error:
        # A variable whose value has to be JSON, and is not.
        raise WrongUsage(
            f"{_unread(error)}: write it as JSON, as docs/settings.md shows"
        ) from error
    except ValueError as error:  # what tomllib says of a broken file
        raise WrongUsage(f"{SETTINGS_FILE}: {error}") from error
    except RecursionError as error:
        raise WrongUsage(f"{SETTINGS_FILE}: its values nest too deep") from error


def origins(**flags: object) -> dict[str, Origin]:
    """Where each setting's value comes from, by its name; call it after `read_settings`."""
    return {name: _origin(name, flags) for name in Settings.model_fields}


def _origin(name: str, given: dict[str, object]) -> Origin:
    if given.get(name) is not None:
        return Origin("flag", f"--{name.replace('_', '-')}")
    for variable in os.environ:
        if variable.upper() == f"{VARIABLE}{name.upper()}":
            return Origin("variable", variable)
    line = _line_of(name)
    if line is not None:
        return Origin("file", f"{SETTINGS_FILE}:{line}")
    return Origin("default", "default")


def _check_variables() -> None:
    """WrongUsage for a variable that looks like a setting and is none: a slip would be silent."""
    for variable in os.environ:
        name = variable.upper().removeprefix(VARIABLE)
        if name != variable.upper() and name not in _NO_SETTINGS and not _is_setting(name.lower()):
            raise WrongUsage(
                f"{variable}: there is no such setting{_meant(name.lower(), variable=True)}"
            )


def _is_setting(name: str) -> bool:
    return name in Settings.model_fields


def _meant(name: str, *, variable: bool = False) -> str:
    """Give the setting that was probably meant; else where all of them are."""
    near = get_close_matches(name, Settings.model_fields, 1)
    if not near:
        return "; `factoryledger config show` lists them all"
    return f"; is it {VARIABLE + near[0].upper() if variable else near[0]}?"


def _line_of(name: str) -> int | None:
    """The line of the settings file on which a setting begins, from 1; None where it has none.

    The first line that looks like it and that is no part of another value: what stands before
    it is a whole document.
    """
    try:
        text = SETTINGS_FILE.read_text("utf-8")
    except OSError:
        return None
    key = re.compile(rf"\s*(?:\[\s*)?[\"']?{re.escape(name)}[\"']?\s*[=.\]]")
    before = ""
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if key.match(line) and _is_whole(before):
            return number
        before += line
    return None


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _first_complaint(error: ValidationError, given: dict[str, object]) -> str:
    """Say which setting is wrong, how, and where it stands."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    where = _origin(name, given).said
    if first["type"] == "extra_forbidden":
        return f"{where}: there is no setting {name}{_meant(name)}"
    inside = "".join(f" {part}:" for part in first["loc"][1:] if part != "[key]")
    return f"{where}:{inside} {_words(first['msg'])}, not {shown(first['input'])}"


def _unread(error: SettingsError) -> str:
    """The variable that pydantic-settings could not read: its sentence names the field alone."""
    named = re.search(r'field "(\w+)"', str(error))
    return f"{VARIABLE}{named[1].upper()}" if named else str(error)


def _words(said: str) -> str:
    return said[:1].lower() + said[1:]
