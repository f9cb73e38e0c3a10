"""The Grafana dashboard, made of a table of panels: `make docs` writes it.

Grafana's classic model (https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/
view-dashboard-json-model/), which every Grafana from 8 on reads from a folder of dashboards.
"""

# ruff: noqa: E501 - rows of a table
import copy
import json
import sys
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = "[$__rate_interval]"
WHO = "{{instance}}"
C, A, W, S = (f"factoryledger_{part}" for part in ("collector", "anchor", "witness", "simulator"))


def rate(metric: str, by: str = "instance") -> str:
    return f"sum by ({by}) (rate({metric}{RATE}))"


def quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (instance, le) (rate({metric}_bucket{RATE})))"


def timings(metric: str) -> list[tuple[str, str]]:
    return [
        (quantile(share, metric), f"{name} {WHO}")
        for share, name in ((0.5, "median"), (0.99, "99 %"))
    ]


def number(
    title: str, expr: str, unit: str, about: str, bad: float | None, warn: float | None = None
) -> dict[str, Any]:
    """One figure, red from `bad` on, amber from `warn` on; its state is said in words too."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if warn is not None:
        steps.append({"color": "orange", "value": warn})
    if bad is not None:
        steps.append({"color": "red", "value": bad})
    return {
        "type": "stat", "title": title, "description": about, "targets": [target(expr, "", instant=True)],
        "width": 4, "height": 4,
        "fieldConfig": {"defaults": {
            "unit": unit, "noValue": "not known", "color": {"mode": "thresholds"},
            "thresholds": {"mode": "absolute", "steps": steps}, "mappings": [],
        }, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
            "orientation": "auto", "textMode": "auto",
        },
    }  # fmt: skip


def chart(
    title: str, unit: str, about: str, *series: tuple[str, str], most: float | None = None
) -> dict[str, Any]:
    """Lines over time."""
    defaults: dict[str, Any] = {
        "unit": unit, "min": 0, "color": {"mode": "palette-classic"}, "mappings": [],
        "custom": {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False},
        "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}]},
    }  # fmt: skip
    if most is not None:
        defaults["thresholds"]["steps"].append({"color": "red", "value": most})
        defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return {
        "type": "timeseries", "title": title, "description": about,
        "targets": [target(expr, legend) for expr, legend in series],
        "width": 8, "height": 8,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }  # fmt: skip


def target(expr: str, legend: str, *, instant: bool = False) -> dict[str, Any]:
    one = {"datasource": SOURCE, "expr": expr, "legendFormat": legend, "editorMode": "code"}
    return {**one, "instant": instant, "range": not instant}


CONSERVED = (
    f"sum({C}_messages_received_total) - sum({C}_messages_stored_total)"
    f" - sum({C}_messages_duplicate_total) - sum({C}_messages_refused_total)"
    f" - sum({C}_messages_in_flight)"
)

ROWS: list[tuple[str, list[dict[str, Any]]]] = [
    ("Promises", [
        number("Parts that do not answer", 'sum(up{job=~"collect|anchor|witness|simulate|web"} == bool 0)', "none", "Of those that Prometheus is told of.", 1),
        number("Unaccounted for", f"abs({CONSERVED})", "none", "Received, less stored, duplicates, refused and in flight: 0 while nothing is lost.", 1),
        number("Missing in gaps", f"sum({C}_gap_messages)", "none", "Numbers that a machine used and the store has not. Falling: an outbox delivers late. Staying: a loss.", None, 1),
        number("Forks", f"sum({C}_forks)", "none", "Two messages that name one predecessor: a cloned machine, or a stolen key.", 1),
        number("Given up by outboxes", f"sum({S}_messages_evicted_total)", "none", "Lost at their source, each announced in a signed event.", 1),
        number("Entries refused", f"sum({A}_refused_total)", "none", "Entries that may not come into the anchor log.", 1),
        number("Since the last checkpoint", f"time() - max({A}_last_published_timestamp_seconds)", "s", "Receipts promise 300 s. Without new messages there is nothing to publish.", None, 240),
        number("Not anchored yet", f"sum({A}_entries) - sum({A}_published_entries)", "none", "Entries appended after the published checkpoint.", None),
        number("Witnesses' refusals, 5 min", f"sum(increase({A}_witness_failures_total[5m])) or vector(0)", "none", "Times that a witness did not answer or cosign.", None, 1),
        number("Held by outboxes", f"sum({S}_messages_held)", "none", "Messages without a receipt.", None),
        number("Refused, 10 min", f"sum(increase({C}_messages_refused_total[10m]))", "none", "Kept out of the log by a limit or a failure: `stats --refused`.", None, 1),
        number("Least disk left", "min(factoryledger_disk_free_bytes)", "bytes", "Of the disks of stores, log and outboxes.", None),
    ]),
    ("Messages", [
        chart("What becomes of messages", "cps", "Received = stored + duplicates + refused + in flight.",
            *((rate(f"{C}_messages_{name}_total"), f"{name} {WHO}") for name in ("received", "stored", "duplicate", "refused"))),
        chart("As they are judged", "cps", "Of those stored, by status.", (rate(f"{C}_messages_judged_total", "status"), "{{status}}")),
        chart("Refused, by cause", "cps", "`failed` is a fault of the release; the others are limits.", (rate(f"{C}_refusals_total", "cause"), "{{cause}}")),
        chart("Machine to commit", "s", "From an accepted message's own time to its commit. A clock ahead shows as 0.", *timings(f"{C}_machine_to_commit_seconds")),
        chart("Commit to anchored", "s", "From a batch's last arrival to the published checkpoint over it.", *timings(f"{A}_commit_to_anchored_seconds"), most=300),
        chart("Gaps", "none", "Counted every 30 s.", (f"{C}_gap_messages", f"messages missing {WHO}"), (f"{C}_gaps", f"gaps {WHO}")),
    ]),
    ("Store", [
        chart("Waiting", "none", "What the collector has taken and not committed.",
            (f"{C}_queue_messages", f"for a batch {WHO}"), (f"{C}_commit_messages", f"in the commit {WHO}"), (f"{C}_messages_in_flight", f"in flight {WHO}")),
        chart("A batch's time", "s", "Judging, hashing, signing and committing; and its transaction alone.",
            (quantile(0.99, f"{C}_batch_seconds"), f"batch, 99 % {WHO}"), (quantile(0.99, f"{C}_commit_seconds"), f"transaction, 99 % {WHO}")),
        chart("Messages in a batch", "none", "On average.",
            (f"{rate(f'{C}_batch_messages_sum')} / {rate(f'{C}_batch_messages_count')}", WHO)),
        chart("Waiting bytes", "bytes", "Their payloads.", (f"{C}_queue_bytes", WHO)),
        chart("Reading paused", "none", "1 while so much waits that nothing is read from the broker.", (f"{C}_reading_paused", WHO)),
        chart("Receipts", "cps", "Published; and those that the broker has not answered.",
            (rate(f"{C}_receipts_total"), f"a second {WHO}"), (f"{C}_receipts_unanswered", f"unanswered {WHO}")),
        chart("Broker", "none", "1 while connected; reconnects, and sessions that the broker had forgotten, in an hour.",
            (f"{C}_connected", f"connected {WHO}"), (f"increase({C}_connections_total[1h])", f"connections {WHO}"), (f"increase({C}_sessions_lost_total[1h])", f"sessions lost {WHO}")),
        chart("Disk left", "bytes", "On the disks of store, log and outboxes.", ("factoryledger_disk_free_bytes", f"{{{{job}}}} {WHO}")),
        chart("The ledger's own words", "cps", "Receipts and checkpoints that came back; not stored.", (rate(f"{C}_messages_own_total"), WHO)),
    ]),
    ("Log and witnesses", [
        chart("The log grows", "none", "Entries, and those under the published checkpoint.", (f"{A}_entries", f"entries {WHO}"), (f"{A}_published_entries", f"published {WHO}")),
        chart("Checkpoints and entries", "cps", "Published and appended.", (rate(f"{A}_checkpoints_total"), f"checkpoints {WHO}"), (rate(f"{A}_appended_total"), f"entries {WHO}")),
        chart("Trouble", "none", "In five minutes: tries to publish that failed, looks that an error ended, witnesses that did not cosign.",
            (f"increase({A}_failures_total[5m])", f"not published {WHO}"), (f"increase({A}_interruptions_total[5m])", f"interrupted {WHO}"),
            (f"increase({A}_witness_failures_total[5m])", "witness {{witness}}")),
        chart("Witnesses' answers", "cps", "200 is a cosignature, 409 a log elsewhere than it thinks, 422 one that forks.", (rate(f"{W}_answers_total", "instance, status"), f"{{{{status}}}} {WHO}")),
        chart("Age of the newest stamp", "s", "How much a rewritten log could hide from each outside ledger.", (f"time() - {A}_ledger_newest_stamp_timestamp_seconds", "{{ledger}}")),
        chart("Outside ledgers", "none", "In an hour, and on their way.",
            *((f"increase({A}_ledger_{name}_total[1h])", f"{name} {{{{ledger}}}}") for name in ("submitted", "stamped", "failures", "refused")),
            (f"{A}_ledger_pending", "pending {{ledger}}")),
    ]),
    ("Machines", [
        chart("Made and receipted", "cps", "Recorded = receipted + held + evicted.",
            *((rate(f"{S}_messages_{name}_total"), f"{name} {WHO}") for name in ("recorded", "receipted", "delivered", "resent"))),
        chart("Held by outboxes", "none", "Messages without a receipt; and those that full outboxes gave up.", (f"{S}_messages_held", f"held {WHO}"), (f"{S}_messages_evicted_total", f"given up {WHO}")),
        chart("Trouble of machines", "cps", "What does not go well at the machines' side.",
            *((rate(f"{S}_{name}_total"), f"{said} {WHO}") for name, said in (
                ("messages_undelivered", "not delivered"), ("distrusted", "distrusted"), ("disconnects", "connections lost"),
                ("connects_failed", "not connected"), ("scans_skipped", "scans skipped")))),
    ]),
    ("Web", [
        chart("Pages and machines", "none", "Pages that look on; machines that they are shown, and those beyond.",
            ("factoryledger_web_pages", f"pages {WHO}"), ("factoryledger_web_machines", f"machines {WHO}"), ("factoryledger_web_machines_not_shown", f"not shown {WHO}")),
        chart("Heard", "cps", "Messages heard live; signed ones beyond those that are checked.",
            (rate("factoryledger_web_messages_heard_total"), WHO), (rate("factoryledger_web_messages_unchecked_total"), f"unchecked {WHO}")),
        chart("What the web server reads", "none", "Connected to the broker; reconnects and failures in an hour; looks at store and log a second, and those that failed.",
            ("factoryledger_web_connected", f"connected {WHO}"), ("increase(factoryledger_web_connections_total[1h])", f"connections {WHO}"),
            ("increase(factoryledger_web_connections_failed_total[1h])", f"connections failed {WHO}"),
            (rate("factoryledger_web_looks_total"), f"looks {WHO}"), (rate("factoryledger_web_looks_failed_total"), f"looks failed {WHO}")),
    ]),
    ("Processes", [
        chart("CPU", "percentunit", "Of one core.", ('rate(process_cpu_seconds_total{job=~"collect|anchor|witness|simulate|web"}[$__rate_interval])', f"{{{{job}}}} {WHO}")),
        chart("Memory", "bytes", "Resident.", ('process_resident_memory_bytes{job=~"collect|anchor|witness|simulate|web"}', f"{{{{job}}}} {WHO}")),
        chart("Open files", "none", "A socket for each connection among them.", ('process_open_fds{job=~"collect|anchor|witness|simulate|web"}', f"{{{{job}}}} {WHO}")),
    ]),
]  # fmt: skip


def placed() -> list[dict[str, Any]]:
    """Rows and panels on Grafana's grid of 24 columns, numbered."""
    panels, top = [], 0
    for title, members in ROWS:
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": top},
            }
        )
        top, left = top + 1, 0
        for member in copy.deepcopy(members):
            width, height = member.pop("width"), member.pop("height")
            if left + width > 24:
                top, left = top + height, 0
            member["gridPos"] = {"h": height, "w": width, "x": left, "y": top}
            member["datasource"] = SOURCE
            for letter, one in zip("ABCDEFGH", member["targets"], strict=False):
                one["refId"] = letter
            panels.append(member)
            left += width
        top += height
    return [{"id": number, **panel} for number, panel in enumerate(panels, 1)]  # fmt: skip


def dashboard() -> dict[str, Any]:
    return {
        "uid": "factoryledger",
        "title": "factoryledger",
        "description": "Whether the ledger keeps its promises: docs/operations.md of factoryledger.",
        "tags": ["factoryledger", "mqtt"],
        "schemaVersion": 36,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "type": "datasource",
                    "name": "datasource",
                    "label": "Prometheus",
                    "query": "prometheus",
                    "current": {
                        "text": "Prometheus",
                        "value": "factoryledger-prometheus",
                        "selected": True,
                    },
                    "hide": 0,
                    "includeAll": False,
                    "multi": False,
                    "refresh": 1,
                    "regex": "",
                    "options": [],
                    "skipUrlSync": False,
                }
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": placed(),
    }


def render() -> str:
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
