"""The figures in docs/reliability.md, from the runs that made them.

    python tests/reliability/reliability_page.py [BUILD]

Each long run writes `build/<name>.json`. With BUILD those that are there are taken into
docs/reliability.json, which is kept; then the part of the page between its marks is written from
that. A test compares the two.
"""

import json
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
START, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def taken(build):
    """What is kept, with the runs of a build folder in place of their former ones."""
    kept = json.loads(KEPT.read_bytes()) if KEPT.exists() else {}
    for name in WORDS:
        file = build / f"{name}.json"
        if file.exists():
            kept[name] = json.loads(file.read_bytes())
    return {name: kept[name] for name in WORDS if name in kept}


def number(value):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}"


def torture(run):
    faults = ", ".join(f"{name} {count:,}" for name, count in sorted(run["faults"].items()))
    found = ", ".join(f"{kind} {count}" for kind, count in run["findings"].items()) or "none"
    yield (
        f"**Torture**: {number(run['took'])} s (seed {run['seed']}, {run['database']}, "
        f"{run['collectors']} collectors, {run['witnesses']} witnesses), "
        f"{sum(run['faults'].values()):,} faults ({faults})."
    )
    yield (
        f"Readings recorded {number(run['recorded'])}, stored once {number(run['stored_once'])}, "
        f"lost **{run['lost']}**, doubled **{run['doubled']}**; receipts checked "
        f"{number(run['receipts_checked'])}, heads {number(run['checkpoints_checked'])}. "
        f"Findings: {found}. Most memory of a part: {max(run['megabytes'].values()):.0f} MB."
    )
    # What a person has to say of a run, as of an alarm that was the checker's own.
    if "remark" in run:
        yield run["remark"]


def interleaving(run):
    events = run["events"]
    interesting = (
        "messages recorded", "connection cut", "broker killed", "killed fleet", "killed collector",
        "power cut", "sent again", "receipt forged or lying", "commit failed, but did persist",
    )  # fmt: skip
    said = ", ".join(f"{name} {events[name]:,}" for name in interesting if name in events)
    yield (
        f"**Interleavings**: {number(run['interleavings'])} in {number(run['seconds'])} s "
        f"({number(run['interleavings_a_minute'])} a minute, {number(events['steps'])} steps), "
        f"failures **{len(run['failures'])}**. Of what happened: {said}."
    )


def fuzz(run):
    found = sum(len(one["findings"]) for one in run)
    yield (
        f"**Fuzzing**: {number(sum(one['executions'] for one in run))} inputs to {len(run)} "
        f"parsers, {number(sum(one['seconds'] for one in run))} s in all, findings **{found}**."
    )


def mutations(run):
    by = Counter()
    for one in run["counts"]:
        by[one["outcome"]] += one["count"]
    yield (
        f"**Mutations**: {number(by.total())} tried, {number(by['found'])} found, "
        f"{number(by['without meaning'])} without meaning, slipped through "
        f"**{by['slipped through']}**."
    )


def breakages(run):
    seen = [one["breakage"] for one in run["tried"] if one["seen"]]
    yield f"**Breakages**: {len(seen)} of {len(run['tried'])} seen: {', '.join(seen)}."


def steps(run):
    total = Counter()
    for row in run["rows"]:
        total.update({name: row[name] for name in ("steps", "power cuts", "broken")})
    of = ", ".join(f"{part} {one['steps']}" for part, one in run["parts"].items())
    yield (
        f"**Steps**: {number(total['steps'])} faults at the durable steps of {of}; "
        f"{number(total['power cuts'])} power cuts; promises broken **{total['broken']}**."
    )
    yield "| part | fault | steps | killed | ended with 3 | went on | power cuts | broken |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in run["rows"]:
        yield f"| {' | '.join(str(value) for value in row.values())} |"


WORDS = {
    "torture": torture,
    "interleaving": interleaving,
    "steps": steps,
    "fuzz": fuzz,
    "mutations": mutations,
    "breakages": breakages,
}


def rendered(kept):
    """The part of the page between its marks."""
    parts = [said for name in kept for said in joined(WORDS[name](kept[name]))]
    return f"{START}\n{chr(10).join(parts)}{END}" if parts else START + END


def joined(lines):
    """Paragraphs; the rows of a table belong together."""
    before = None
    for line in lines:
        if before is not None and not (line.startswith("|") and before.startswith("|")):
            yield ""
        yield line
        before = line
    yield ""


def page(text, kept):
    """The page with that part put in."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + rendered(kept) + after


if __name__ == "__main__":
    figures = taken(Path(sys.argv[1])) if sys.argv[1:] else json.loads(KEPT.read_bytes())
    KEPT.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8"), figures), "utf-8")
