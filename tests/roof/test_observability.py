"""docs/observability, held against what the program exposes: every name, type, label and value."""

import asyncio
import json
import re
import shutil
import subprocess
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import alert_cases
import dashboard_page
import httpx
import promql_parser
import pytest
from probes import PROBES, lively
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from factoryledger.metrics.page import page

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "observability"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
# What Prometheus adds to each sample, and its own word on each target.
ADDED = {"job", "instance"}
OVER_COUNTERS = {"rate", "increase", "irate"}
OVER_GAUGES = {"deriv", "predict_linear", "min_over_time", "max_over_time", "delta"}


def yaml(path):
    return YAML(typ="safe").load(path.read_text("utf-8"))


async def scraped(probe):
    transport = httpx.ASGITransport(page(probe))
    async with httpx.AsyncClient(transport=transport, base_url="http://part") as client:
        return (await client.get("/metrics")).text


def exposed():
    """What scrapes of every command give: samples by name with type and labels, and by job."""
    types, labels, values, jobs = {"up": "gauge"}, defaultdict(set), defaultdict(set), {}
    stack = lively()
    for job, probe in (PROBES | stack).items():
        text = asyncio.run(scraped(probe))
        if job in stack:
            jobs[job] = set()
        for family in text_string_to_metric_families(text):
            if job in stack:
                jobs[job].add(family.name)
            if not family.samples:
                types[family.name] = family.type
            for sample in family.samples:
                types[sample.name] = family.type
                labels[sample.name] |= set(sample.labels)
                for name, value in sample.labels.items():
                    values[sample.name, name].add(value)
    return types, labels, values, jobs


TYPES, LABELS, VALUES, JOBS = exposed()
# A histogram without an observation, and a time that never came, have no sample yet.
TYPES |= {
    f"{name}_{part}": "histogram"
    for name, kind in list(TYPES.items())
    if kind == "histogram"
    for part in ("bucket", "count", "sum")
}
RULES = [rule for group in yaml(FILES / "alerts.yml")["groups"] for rule in group["rules"]]
BOARD = json.loads((FILES / "grafana-dashboard.json").read_text("utf-8"))
TARGETS = [target for panel in BOARD["panels"] for target in panel.get("targets", [])]
# A scrape interval of 15 s makes $__rate_interval a minute.
ASKED = [
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES),
    *(
        pytest.param(target["expr"].replace("$__rate_interval", "1m"), id=panel["title"])
        for panel in BOARD["panels"]
        for target in panel.get("targets", [])
    ),
]


def nodes(text):
    found = []
    promql_parser.walk(promql_parser.parse(text), pre_visit=found.append)
    return found


def selectors(text):
    """Every selector of an expression, with the function that it is given to, if any."""
    found, given = [], {}
    for node in nodes(text):
        if isinstance(node, promql_parser.Call):
            for argument in node.args:
                given[argument.prettify()] = node.func.name
        if isinstance(node, promql_parser.MatrixSelector):
            found.append((node.vector_selector, given.get(node.prettify())))
        elif isinstance(node, promql_parser.VectorSelector):
            found.append((node, None))
    inside = {selector.prettify() for selector, function in found if function}
    return [(s, f) for s, f in found if f or s.prettify() not in inside]


def known_labels(name):
    return LABELS[name] | ADDED


def grouped(text):
    """The labels that an expression's aggregations and matchings name."""
    for node in nodes(text):
        modifier = getattr(node, "modifier", None)
        matching = getattr(modifier, "matching", modifier)
        yield from getattr(matching, "labels", None) or ()


@pytest.mark.parametrize("expression", ASKED)
def test_what_is_asked_for_is_there(expression):
    """Names and labels exist; counters are asked for their rate and gauges are not."""
    asked = selectors(expression)
    if expression != "vector(0)":
        assert asked
    for selector, function in asked:
        name = selector.name
        assert name in TYPES, f"no command exposes {name}"
        counted = TYPES[name] in {"counter", "histogram"}
        if function in OVER_COUNTERS:
            assert counted, f"{function}() of {name}, which is no counter"
        if function in OVER_GAUGES:
            assert not counted, f"{function}() of {name}, which is a counter"
        for matcher in selector.matchers.matchers:
            assert matcher.name in known_labels(name), f"{name} has no label {matcher.name}"
            known = set(JOBS) if matcher.name == "job" else VALUES[name, matcher.name]
            if matcher.name == "status" and name.startswith("factoryledger_witness"):
                known = {"200", "400", "403", "404", "409", "422", "429", "503"}
            for value in matcher.value.split("|"):
                assert value in known, f"{name} has no {matcher.name} {value!r}"
    there = set().union(*(known_labels(selector.name) for selector, _ in asked))
    assert set(grouped(expression)) <= there


@pytest.mark.parametrize("expression", ASKED)
def test_quantiles_are_of_buckets(expression):
    for node in nodes(expression):
        if isinstance(node, promql_parser.Call) and node.func.name == "histogram_quantile":
            (selector, function), *more = selectors(node.args[1].prettify())
            assert not more
            assert selector.name.endswith("_bucket")
            assert function == "rate"
            assert "le" in node.args[1].modifier.labels


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_legends_name_labels_that_are_left(target):
    said = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    expression = target["expr"].replace("$__rate_interval", "1m")
    kept = set(grouped(expression)) - {"le"}
    if not kept:
        kept = set.intersection(*(known_labels(s.name) for s, _ in selectors(expression)))
    assert said <= kept


def test_every_metric_is_shown_or_watched():
    text = " ".join([*(rule["expr"] for rule in RULES), *(one["expr"] for one in TARGETS)])
    words = set(re.findall(r"\w+", text))
    own = {name for names in JOBS.values() for name in names if name.startswith("factoryledger")}
    of_web = {name for name in own if name.startswith("factoryledger_web_")}
    assert len(own) > 50
    assert len(of_web) == 10
    for name in own:
        assert words & {name, f"{name}_total", f"{name}_bucket", f"{name}_sum"}, name


def test_every_alert_is_explained_and_has_its_cases():
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    assert re.findall(r"^\| `([A-Z]\w+)` \|", OPERATIONS, re.MULTILINE) == names
    assert [case.alert for case in alert_cases.CASES] == names
    for rule in RULES:
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})


def test_each_promise_has_an_alarm_or_a_timer_and_each_alarm_a_promise():
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    promises, told = (
        re.findall(r"^\| (.+?) \| (.+?)(?: \|.*)?$", section.split("\n## ")[0], re.MULTILINE)[1:]
        for section in (page.split("## The promises")[1], page.split("## Which alarm tells")[1])
    )
    dashes = {"---", "|---|"}
    wanted = [row[0] for row in promises if row[0] not in dashes]
    assert [row[0] for row in told if row[0] not in dashes] == wanted
    named = set(
        re.findall(
            r"`([A-Z][a-z]+[A-Z]\w+)`", page.split("## Which alarm tells")[1].split("\n## ")[0]
        )
    )
    rules = {rule["alert"] for rule in RULES}
    assert named >= rules - {"Forked"}, rules - named
    assert all(re.search(r"`[A-Za-z ]+`", alarms) for _, alarms in told if alarms != "---")
    assert "`Forked`" in page


def test_alerts_say_only_labels_that_are_left():
    for rule in RULES:
        said = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert said <= set().union(*(known_labels(s.name) for s, _ in selectors(rule["expr"])))
        if rule["expr"].lstrip().startswith("sum("):
            assert not said


def test_each_command_with_metrics_is_a_job():
    own, compose = (yaml(FILES / f"{name}.yml") for name in ("prometheus", "prometheus-compose"))
    assert [job["job_name"] for job in own["scrape_configs"]] == list(JOBS)
    places = [job.pop("static_configs")[0]["targets"] for job in own["scrape_configs"]]
    assert all(address.startswith("127.0.0.1:") for (address,) in places)
    services = yaml(ROOT / "docker-compose.yml")["services"]
    for job in compose["scrape_configs"]:
        names = [name for one in job.pop("dns_sd_configs", ()) for name in one["names"]]
        for one in job.pop("static_configs", ()):
            names.extend(address.removesuffix(":9460") for address in one["targets"])
        # Each is a service on the network that Prometheus is on, too.
        assert names
        assert all("watching" in services[name]["networks"] for name in names)
    assert own == compose
    interval = promql_parser.parse_duration(own["global"]["scrape_interval"])
    assert interval == timedelta(seconds=15)
    source = yaml(FILES / "grafana" / "datasources" / "prometheus.yml")["datasources"][0]
    assert source["jsonData"]["timeInterval"] == own["global"]["scrape_interval"]
    chosen = BOARD["templating"]["list"][0]["current"]["value"]
    assert source["uid"] == chosen


def test_the_dashboard_is_the_one_of_its_table():
    assert dashboard_page.render() == (FILES / "grafana-dashboard.json").read_text("utf-8"), (
        "run `make docs`"
    )


def test_panels_do_not_lie_on_each_other():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool: make promtool")
def test_promtool_takes_the_files_and_plays_each_alert(tmp_path):
    """Each alert is quiet while all is well and fires when it is not, with its words."""
    cases = tmp_path / "cases.yml"
    cases.write_text(alert_cases.rendered(FILES / "alerts.yml"), "utf-8")
    for words in (
        ("check", "config", FILES / "prometheus.yml"),
        ("check", "config", FILES / "prometheus-compose.yml"),
        ("test", "rules", cases),
    ):
        command = [PROMTOOL, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
