"""The view `readings` on SQLite, with members found however their names are spelled.

Part of revision 0006, and as fixed as that. SQLite 3.40 finds no member by path whose name is
spelled with an escape, but unescapes the names that it lists. Listing costs more, as nothing
of it is kept from row to row: it is for what is not found by path.
"""

# One text of the payload, an empty object where it is no JSON: no row can fail a query.
_JSON = "CASE WHEN json_valid(CAST(m.payload AS TEXT)) THEN CAST(m.payload AS TEXT) ELSE '{}' END"
_NUMBER = "max(0, CAST(s.number AS INTEGER))"
_NUMBERS = "r.type IN ('integer', 'real') AND typeof(r.key) = 'text'"
# In a birth, state or event a member of that name means nothing.
_COUNTED = "m.status = 'accepted' AND substr(m.topic, -10) = '/telemetry'"
_COLUMNS = "r.key AS metric, CAST(r.value AS REAL) AS value, m.collector, m.position"

_MEMBERS = f"json_each({_JSON}) AS a"
# The members of the scan of that number. What is of another type has none: no text is parsed.
_OF_THE_SCAN = (
    f"{_MEMBERS},"
    " json_each(CASE WHEN a.key = 'scans' AND a.type = 'array' THEN a.value END) AS b,"
    f" json_each(CASE WHEN b.key = {_NUMBER} AND b.type = 'object' THEN b.value END) AS c"
)


def sqlite_readings() -> str:
    """Give the view's SQL: an arm for `readings`, an arm for `scans`.

    Device and time come from indexed columns, so that one machine's hour is an index
    search, and a row counts only where its payload says the same.
    """
    device = _value("'$.device'", _MEMBERS, "a", "device")
    time = _value("'$.time'", _MEMBERS, "a", "time")
    scan = f"'$.scans[' || {_NUMBER} || ']"
    scan_time = _value(f"{scan}.time'", _OF_THE_SCAN, "c", "time")
    return f"""
        CREATE VIEW readings AS
        SELECT m.device AS device, m.time AS time, {_COLUMNS}
        FROM messages AS m, json_each({_object("'$.readings'", _MEMBERS, "a")}) AS r
        WHERE {_COUNTED}
          AND {device} = m.device
          AND {_microseconds(time)} = m.time
          AND {_NUMBERS}
        UNION ALL
        SELECT s.device AS device, s.time AS time, {_COLUMNS}
        FROM scans AS s
        CROSS JOIN messages AS m ON m.collector = s.collector AND m.position = s.position
        CROSS JOIN json_each({_object(f"{scan}.readings'", _OF_THE_SCAN, "c")}) AS r
        WHERE {_COUNTED}
          AND {device} = s.device
          AND {_microseconds(scan_time)} = s.time
          AND {_NUMBERS}
    """  # noqa: S608 - built of the constants above


def _value(path: str, listed: str, at: str, name: str) -> str:
    """Give a member's value: by path, or the first that is listed under its name."""
    found = f"(SELECT {at}.value FROM {listed} WHERE {at}.key = '{name}')"  # noqa: S608
    return f"coalesce(json_extract({_JSON}, {path}), {found})"


def _object(path: str, listed: str, at: str) -> str:
    """Give what lists the members of `readings`: a text, and the path in it."""
    found = (
        f"(SELECT {at}.value FROM {listed}"  # noqa: S608
        f" WHERE {at}.key = 'readings' AND {at}.type = 'object')"
    )
    there = f"json_type({_JSON}, {path}) IS NOT NULL"
    text = f"CASE WHEN {there} THEN {_JSON} ELSE {found} END"
    return f"{text}, CASE WHEN {there} THEN {path} ELSE '$' END"


def _microseconds(text: str) -> str:
    seconds = f"CAST(strftime('%s', substr({text}, 1, 19)) AS INTEGER)"
    return f"{seconds} * 1000000 + CAST(substr({text}, 21, 6) AS INTEGER)"
