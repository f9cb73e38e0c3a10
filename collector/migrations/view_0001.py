"""The view `readings`, for each database: derived row by row, so that no bad row fails a query.

Part of revision 0001, and as fixed as that.
"""

# One text of the payload, an empty object where it is no JSON: no row can fail a query.
_JSON = "CASE WHEN json_valid(CAST(m.payload AS TEXT)) THEN CAST(m.payload AS TEXT) ELSE '{{}}' END"
_MICROSECONDS = (
    "CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000"
    " + CAST(substr({0}, 21, 6) AS INTEGER)"
)


def sqlite_readings() -> str:
    """Give the view's SQL: an arm for `readings`, an arm for `scans`.

    Device and time come from indexed columns, so that one machine's hour is an index
    search, and a row counts only where its payload says the same.
    """
    json = _JSON.format()
    at = f"json_extract({json}, '$.time')"
    scan = "'$.scans[' || max(0, CAST(s.number AS INTEGER)) || ']"
    scan_at = f"json_extract({json}, {scan}.time')"
    numbers = "r.type IN ('integer', 'real') AND typeof(r.key) = 'text'"
    # In a birth, state or event a member of that name means nothing.
    counted = "m.status = 'accepted' AND substr(m.topic, -10) = '/telemetry'"
    columns = "r.key AS metric, CAST(r.value AS REAL) AS value, m.collector, m.position"
    return f"""
        CREATE VIEW readings AS
        SELECT m.device AS device, m.time AS time, {columns}
        FROM messages AS m, json_each({json}, '$.readings') AS r
        WHERE {counted}
          AND json_extract({json}, '$.device') = m.device
          AND {_MICROSECONDS.format(at)} = m.time
          AND {numbers}
        UNION ALL
        SELECT s.device AS device, s.time AS time, {columns}
        FROM scans AS s
        CROSS JOIN messages AS m ON m.collector = s.collector AND m.position = s.position
        CROSS JOIN json_each({json}, {scan}.readings') AS r
        WHERE {counted}
          AND json_extract({json}, '$.device') = s.device
          AND {_MICROSECONDS.format(scan_at)} = s.time
          AND {numbers}
    """  # noqa: S608 - built of the constants above


# `at` is the time that the row has; `scan` the place of the scan among the message's, or NULL.
# Whatever is wrong with a payload, it shows nothing, and it fails no query. A number of more
# than two digits behind `e-` may be too small for a double, which PostgreSQL takes for an
# error and every other reader for zero; below 10^-400 it is zero whatever stands before.
_FUNCTION = r"""
CREATE FUNCTION ledger_readings(payload bytea, device text, at bigint, scan integer)
RETURNS TABLE (metric text, value double precision)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    body json;
    part json;
    names text[];
    numbers double precision[];
BEGIN
    body := convert_from(payload, 'UTF8')::json;
    part := CASE WHEN scan IS NULL THEN body ELSE body #> ARRAY['scans', scan::text] END;
    IF scan < 0
        OR json_typeof(body -> 'device') IS DISTINCT FROM 'string'
        OR body ->> 'device' IS DISTINCT FROM device
        OR length(part ->> 'time') IS DISTINCT FROM 27
        OR extract(epoch FROM (part ->> 'time')::timestamptz) * 1000000 IS DISTINCT FROM at
    THEN
        RETURN;
    END IF;
    SELECT array_agg(r.key), array_agg(
        CASE
            WHEN r.number !~ '[eE]-0*[0-9]{3}' THEN r.number::double precision
            WHEN substring(r.number FROM '[eE]-([0-9]+)')::numeric > 400 THEN 0
            WHEN abs(r.number::numeric) <= 2.4703282292062327e-324 THEN 0
            ELSE r.number::double precision
        END
    ) INTO names, numbers
    FROM (
        SELECT e.key, e.value #>> '{}' AS number
        FROM json_each(part -> 'readings') AS e
        WHERE json_typeof(e.value) = 'number'
    ) AS r;
    RETURN QUERY SELECT n, x FROM unnest(names, numbers) AS u (n, x);
EXCEPTION WHEN others THEN
    RETURN;
END
$$
"""

_COUNTED = "m.status = 'accepted' AND right(m.topic, 10) = '/telemetry'"
_VIEW = f"""
CREATE VIEW readings AS
SELECT m.device, m.time, r.metric, r.value, m.collector, m.position
FROM messages AS m
CROSS JOIN LATERAL ledger_readings(m.payload, m.device, m.time, NULL) AS r
WHERE {_COUNTED}
UNION ALL
SELECT s.device, s.time, r.metric, r.value, m.collector, m.position
FROM scans AS s
JOIN messages AS m ON m.collector = s.collector AND m.position = s.position
CROSS JOIN LATERAL ledger_readings(m.payload, s.device, s.time, s.number) AS r
WHERE {_COUNTED}
"""  # noqa: S608 - built of the constant above


def postgres_readings() -> list[str]:
    """Give the statements that make the guarded function and the view."""
    return [_FUNCTION, _VIEW]
