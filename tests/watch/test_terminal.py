"""The terminal, driven by Textual's pilot: every key, every view, and what strangers send."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from heard import SECOND, START, heard, state, telemetry
from textual.widgets import Input

from telemetry.errors import BrokerUnavailable
from telemetry.recording import Reading
from watch.terminal.app import WatchApp
from watch.terminal.detail import VIEWS, Detail
from watch.terminal.help import HelpScreen
from watch.terminal.line import OneLine
from watch.terminal.lines_pane import LinesPane
from watch.terminal.model import Model
from watch.terminal.topic_pane import TopicPane
from watch.topics.trust import Refusal

BASE = "acme/line-1"
HOSTILE = [
    "[red]markup[/red]",
    "[/]",
    "[@click=app.quit]x[/]",
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;cm0gLXJm\x07",
    "right\u202eto left",
    "\u2028\x85\x9b",
    "a\ttab\rand return",
    "wide 漢字 🙂",
    "$[bold",
]


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


class Judge:
    def __init__(self, status="accepted"):
        self._status = status

    def status(self, topic, payload, properties):
        return self._status if b'"sig"' in payload else "unsigned"


class Proofs:
    """Proves message 2, and refuses all others."""

    def __init__(self):
        self.asked = []

    def prove(self, number, payload):
        self.asked.append((number, payload))
        if number.seq != 2:
            raise Refusal("it is not anchored [yet]; in about 3 s")
        return "d/proofs/mill-1-s1-2.proof"


class Seen:
    """An application with what it shows, as text."""

    def __init__(self, app, pilot):
        self.app, self.pilot, self.model = app, pilot, app.model

    def hear(self, *arrivals, later=1):
        self.model.clock.now += later * SECOND
        self.model.hear(list(arrivals))
        self.app.beat()

    async def press(self, *keys):
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text):
        await self.press(*((one == " " and "space") or one for one in text))

    def text(self, name):
        return self.app.screen_stack[0].query_one(name).text()

    def tree(self):
        pane = self.app.screen_stack[0].query_one(TopicPane)
        return [pane.render_line(y).text for y in range(pane.size.height)]

    def screen(self):
        """All characters of the screen, line by line, as the terminal gets them."""
        height = self.app.size.height
        lines = self.app.screen._compositor.render_strips()
        assert len(lines) == height
        return [line.text for line in lines]

    @property
    def cursor(self):
        node = self.app.screen_stack[0].query_one(TopicPane).chosen
        return None if node is None else node.topic

    @property
    def notices(self):
        return [one.message for one in self.app._notifications]


def watching(body, size=(120, 40), signatures=None, prover=None, filled=True):
    """Run `body` with an application that heard a small factory."""

    @asynccontextmanager
    async def running():
        model = Model("mqtt://127.0.0.1:1883", ["#"], Clock())
        app = WatchApp(model, signatures=signatures, prover=prover, beat=60)
        async with app.run_test(size=size, notifications=True) as pilot:
            seen = Seen(app, pilot)
            if filled:
                for seq in range(3):
                    seen.hear(
                        heard(f"{BASE}/mill-1/telemetry", telemetry(seq=seq, speed=1200.5 + seq)),
                        heard(f"{BASE}/mill-1/state", state("Execute"), retain=True),
                        heard("weather", b"21.5"),
                    )
            await pilot.pause()
            yield seen

    async def run():
        async with running() as seen:
            await body(seen)
        assert seen.app.failure is None

    asyncio.run(run())


def test_the_tree_shows_topics_with_their_columns_and_states():
    async def body(seen):
        rows = seen.tree()
        assert rows[0].startswith(f"▾ {BASE}/mill-1")
        assert "● Execute" in rows[0]
        assert rows[2].split()[0] == "telemetry"
        assert "speed 1202.5" in rows[2]
        assert "? speed" in rows[2], "signed, and no keys at hand"
        assert seen.text("#heading").split()[:4] == ["topic", "/s", "age", "last"]
        assert "9 messages" in seen.text("#status")
        assert "3 topics" in seen.text("#status")

    watching(body, size=(80, 24))


def test_wide_enough_there_are_all_columns():
    async def body(seen):
        assert "count    /s  age   size" in seen.text("#heading")
        assert " 3 " in seen.tree()[2]

    watching(body, size=(160, 50))


@pytest.mark.parametrize("size", [(80, 24), (160, 50), (20, 6), (300, 100)])
def test_it_can_be_drawn_at_any_size(size):
    async def body(seen):
        for key in "12345z?":
            await seen.press("question_mark" if key == "?" else key)
            assert [len(line) <= size[0] for line in seen.screen()] == [True] * size[1]

    watching(body, size=size)


def test_keys_go_through_the_tree():
    async def body(seen):
        seen_at = [seen.cursor]
        for key in ("down", "j", "down", "up", "k", "end", "home", "pagedown", "pageup"):
            await seen.press(key)
            seen_at.append(seen.cursor)
        mill, weather = f"{BASE}/mill-1", "weather"
        assert seen_at == [
            mill,
            f"{mill}/state",
            f"{mill}/telemetry",
            weather,
            f"{mill}/telemetry",
            f"{mill}/state",
            weather,
            mill,
            weather,
            mill,
        ]
        await seen.press("left")
        assert seen.tree()[1].startswith("  weather")
        await seen.press("right", "right")
        assert seen.cursor == f"{mill}/state"
        await seen.press("h")
        assert seen.cursor == mill
        await seen.press("enter")
        assert seen.tree()[1].startswith("  weather")
        await seen.press("plus")
        assert "state" in seen.tree()[1]
        await seen.press("minus")
        assert seen.tree()[1].startswith("  weather")

    watching(body)


def test_a_click_chooses_a_row_and_opens_it():
    async def body(seen):
        await seen.pilot.click(TopicPane, offset=(3, 1))
        assert seen.cursor == f"{BASE}/mill-1/state"
        await seen.pilot.click(TopicPane, offset=(3, 0))
        await seen.pilot.click(TopicPane, offset=(3, 0))
        assert seen.tree()[1].startswith("  weather")

    watching(body)


def test_every_view_of_a_message():
    async def body(seen):
        await seen.press("down", "down")
        shown = {}
        for number, view in enumerate(VIEWS):
            await seen.press(str(number + 1))
            shown[view] = seen.text("#lines")
            assert f"▸{number + 1} {view}" in seen.text("#views")
        assert '"speed": 1202.5' in shown["message"]
        assert shown["hex"].startswith("000000  7b 22 64 65")
        assert "machine     mill-1" in shown["about"]
        assert "all 3 messages since the start are kept" in shown["about"]
        assert shown["history"].count("speed") == 3
        assert shown["history"].startswith("▶ 16:00:03.000Z")
        assert "readings.speed  2 of 2" in shown["plot"]
        assert "3 points over 2 s, now 1202.5" in shown["plot"]
        await seen.press("v")
        assert "▸1 message" in seen.text("#views")
        assert "signed? · it looks signed; no keys" in seen.text("#headline")

    watching(body)


def test_the_plot_goes_from_number_to_number():
    async def body(seen):
        await seen.press("down", "down", "n")
        assert seen.text("#lines").startswith("seq  1 of 2")
        await seen.press("n")
        assert seen.text("#lines").startswith("readings.speed  2 of 2")
        await seen.press("N")
        assert seen.text("#lines").startswith("seq  1 of 2")
        await seen.press("up")
        assert "this message holds no number" not in seen.text("#lines")

    watching(body)


def test_one_can_go_back_and_the_newest_is_followed_again():
    async def body(seen):
        await seen.press("down", "down", "left_square_bracket")
        assert "1201.5" in seen.text("#lines")
        assert "1 before newest" in seen.text("#headline")
        seen.hear(heard(f"{BASE}/mill-1/telemetry", telemetry(seq=3, speed=7)))
        assert "1201.5" in seen.text("#lines")
        assert "2 before newest" in seen.text("#headline")
        await seen.press(*["left_square_bracket"] * 9)
        assert "1200.5" in seen.text("#lines")
        await seen.press("right_square_bracket")
        assert "1201.5" in seen.text("#lines")
        await seen.press("0")
        assert '"speed": 7' in seen.text("#lines")
        seen.hear(heard(f"{BASE}/mill-1/telemetry", telemetry(seq=4, speed=8)))
        assert '"speed": 8' in seen.text("#lines")

    watching(body)


def test_paused_it_stands_still_and_counts_on():
    async def body(seen):
        await seen.press("end", "space")
        before = seen.tree()
        seen.hear(*[heard("weather", b"99")] * 5, heard("new", b"1"))
        assert seen.tree() == before
        assert "21.5" in seen.text("#lines")
        assert "PAUSED" in seen.text("#status")
        assert "15 messages" in seen.text("#status")
        await seen.press("space")
        assert seen.model.tree.root.total == 15
        assert "99" in seen.text("#lines")
        assert any(row.lstrip().startswith("new") for row in seen.tree())

    watching(body)


def test_topics_are_looked_for_while_one_types():
    async def body(seen):
        await seen.press("slash")
        await seen.type("wea")
        assert [row.strip().split()[0] for row in seen.tree() if row.strip()] == ["weather"]
        await seen.press("enter")
        assert "/wea" in seen.text("#status")
        seen.hear(heard("weather/new", b"1"), heard("other", b"1"))
        assert len([row for row in seen.tree() if row.strip()]) == 2
        await seen.press("escape")
        assert len([row for row in seen.tree() if row.strip()]) == 6
        await seen.press("slash")
        await seen.type("q?/=")
        assert seen.app.screen.query_one(Input).value == "q?/=", "typed, not obeyed"
        await seen.press("escape")
        assert not seen.app.screen.query_one(Input).display

    watching(body)


def test_messages_are_looked_for_by_what_they_hold():
    async def body(seen):
        await seen.press("equals_sign")
        await seen.type("execute")
        await seen.press("enter")
        assert seen.tree()[0].split()[0].endswith("/line-1/mill-1/state")
        assert "=execute" in seen.text("#status")
        seen.hear(heard("late", b"they Execute"))
        assert "late" in seen.tree()[1]
        await seen.press("escape")
        assert "=execute" not in seen.text("#status")

    watching(body)


def test_copying_goes_to_the_terminal_in_one_line():
    async def body(seen):
        said = []
        seen.app._driver.write = said.append
        await seen.press("c")
        assert said == []
        assert "Nothing to copy" in seen.notices[-1]
        seen.hear(heard("evil", b"ls\nrm\x1b"))
        await seen.press("slash", *"evil", "enter", "c")
        assert seen.app.clipboard == "ls\\nrm\\x1b"
        await seen.press("C")
        assert seen.app.clipboard == "evil"

    watching(body)


def test_a_recording_holds_what_is_heard_from_then_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def body(seen):
        await seen.press("r")
        assert seen.app.screen.query_one(Input).value == "watch-20251124-160003.jsonl"
        await seen.press("enter")
        seen.hear(heard("a", b"1", retain=True), heard("b\x1b", b"\xff", qos=1))
        seen.model.clock.now -= 50 * SECOND
        seen.hear(heard("a", b"2"), later=0)
        assert "REC 3" in seen.text("#status")
        await seen.press("r")
        assert "3 messages in watch-20251124-160003.jsonl" in seen.notices[-1]

    watching(body)
    with (tmp_path / "watch-20251124-160003.jsonl").open("rb") as file:
        reading = Reading(file, "r", ordered=True)
        lines = [line for _, line in reading]
    assert reading.complete
    assert reading.header.topics == ("#",)
    assert [(line.topic, line.payload, line.retain) for line in lines] == [
        ("a", b"1", True),
        ("b\x1b", b"\xff", False),
        ("a", b"2", False),
    ]


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    async def body(seen):
        for path, said in ((taken, "is there already"), (tmp_path / "no" / "x", "No such file")):
            seen.app._errands.record(path)
            await seen.pilot.pause()
            assert said in seen.notices[-1]
        assert seen.model.tape is None

    taken = tmp_path / "taken"
    taken.write_text("mine")
    watching(body)
    assert taken.read_text() == "mine"


def test_a_full_disk_ends_the_recording_and_nothing_else(monkeypatch):
    async def body(seen):
        seen.app._errands.record(Path("/dev/full"))
        seen.hear(*[heard("a", b"x" * 60_000)] * 4)
        await seen.pilot.pause()
        assert seen.model.tape is None
        assert "The recording ended: /dev/full: No space left" in seen.notices[-1]
        assert seen.model.tree.find("a").count == 4

    # It is there before, as no file of a person's may be.
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, _: real(path, "wb"))
    watching(body)


def test_a_message_is_proved_or_it_is_said_why_not():
    proofs = Proofs()

    async def body(seen):
        await seen.press("p")
        assert "Nothing to prove" in seen.notices[-1]
        await seen.press("down", "down", "p")
        await seen.pilot.pause(0.1)
        assert seen.notices[-1] == "Proved: d/proofs/mill-1-s1-2.proof"
        await seen.press("left_square_bracket", "p")
        await seen.pilot.pause(0.1)
        assert seen.notices[-1] == "No proof: it is not anchored [yet]; in about 3 s"
        await seen.press("end", "p")
        assert "Not signed by a machine" in seen.notices[-1]
        assert [number.seq for number, _ in proofs.asked] == [2, 1]

    watching(body, prover=proofs)


def test_a_notice_is_no_markup():
    async def body(seen):
        seen.app._errands.say("No proof: [red]x[/] [/] \x1b[2J")
        await seen.pilot.pause(0.3)
        assert "No proof: [red]x[/] [/] \\x1b[2J" in "\n".join(seen.screen())

    watching(body)


def test_without_a_ledger_nothing_is_proved():
    async def body(seen):
        await seen.press("down", "down", "p")
        assert "No ledger at hand" in seen.notices[-1]

    watching(body)


@pytest.mark.parametrize(
    ("status", "mark", "word"),
    [
        ("accepted", "✓", "verified"),
        ("bad-signature", "✗", "BAD SIGNATURE"),
        ("revoked", "✗", "REVOKED"),
    ],
)
def test_a_signature_that_is_verified_is_told_apart(status, mark, word):
    async def body(seen):
        assert f"{mark} speed" in seen.tree()[2]
        await seen.press("down", "down")
        assert seen.text("#headline").splitlines()[2].startswith(word)

    watching(body, signatures=Judge(status))


def test_help_names_every_key():
    async def body(seen):
        await seen.press("question_mark")
        assert isinstance(seen.app.screen, HelpScreen)
        shown = seen.app.screen.query_one(LinesPane).text()
        bound = {
            "q",
            "/",
            "=",
            "c",
            "C",
            "r",
            "p",
            "t",
            "n",
            "N",
            "[",
            "]",
            "0",
            "z",
            "v",
            "j",
            "k",
        }
        assert not [key for key in bound if key not in shown]
        seen.hear(heard("meanwhile"))
        await seen.press("escape")
        assert not isinstance(seen.app.screen, HelpScreen)
        assert any("meanwhile" in row for row in seen.tree())

    watching(body)


def test_light_or_dark_and_the_message_alone():
    async def body(seen):
        await seen.press("t")
        assert seen.app.theme == "textual-light"
        await seen.press("t", "z")
        assert seen.app.theme == "textual-dark"
        assert (
            not seen.app.query_one("#topics").display
            or seen.app.query_one(TopicPane).size.height == 0
        )
        await seen.press("z", "tab", "down")
        assert isinstance(seen.app.focused, LinesPane)
        await seen.press("tab")
        assert isinstance(seen.app.focused, TopicPane)

    watching(body)


def test_a_broker_that_went_is_told_with_the_time_of_the_next_try():
    async def body(seen):
        seen.model.lost(BrokerUnavailable("gone"))
        seen.model.waits(3.0)
        seen.hear(later=1)
        assert "○ away 1s mqtt://127.0.0.1:1883 tries again in 2 s" in seen.text("#status")
        seen.model.connected(_=False)
        seen.hear()
        assert seen.text("#status").startswith("● mqtt://127.0.0.1:1883")

    watching(body)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_it_is_ended_by_a_key(key):
    async def body(seen):
        await seen.press(key)
        assert seen.app._exit

    watching(body)


def test_what_strangers_send_is_text_and_nothing_else():
    async def body(seen):
        for text in HOSTILE:
            seen.hear(
                heard(f"evil/{text}/x", text.encode()),
                heard(text, json.dumps({text: text}).encode()),
            )
        seen.hear(heard("bin", bytes(range(256))), heard("deep", b"[" * 40_000))
        pane, lines = seen.app.query_one(TopicPane), seen.app.query_one(LinesPane)
        for _ in range(len(pane.listed)):
            for view in range(5):
                seen.app.action_view(view)
                drawn = [lines.render_line(y).text for y in range(lines.size.height)]
                assert all(line.isprintable() for line in drawn), (seen.cursor, view, drawn)
            pane.action_move(1)
            assert all(line.isprintable() for line in seen.screen()), seen.cursor
        assert not seen.app._exit
        await seen.press("slash")
        await seen.type("[red")
        await seen.press("enter", "C")
        assert "[red]markup[/red]" in "\n".join(seen.screen())

    watching(body, size=(100, 40))


def test_a_payload_of_ten_megabytes_is_shown_by_its_start():
    async def body(seen):
        seen.hear(heard("big", b"x" * 10_000_000), heard("bin", b"\x00" * 10_000_000))
        await seen.press("slash", *"big", "enter")
        assert "of 10000000 bytes the first 65536 are kept" in seen.text("#lines")
        await seen.press("2", "3", "4", "5")
        assert "10000000 B" in seen.text("#headline")
        assert "too long to be kept whole" in seen.text("#headline")

    watching(body)


def test_a_hundred_thousand_topics_are_listed_and_drawn():
    async def body(seen):
        seen.hear(*(heard(f"site/{n // 1000}/{n}", b"1") for n in range(100_000)))
        assert "100.0k topics" in seen.text("#status") or "100k topics" in seen.text("#status")
        await seen.press("plus", "end")
        assert seen.cursor == "site/99/99999"
        await seen.press("slash")
        await seen.type("/77777")
        await seen.press("enter")
        assert [row.strip().split()[0] for row in seen.tree() if row.strip()] == ["site/77/77777"]

    watching(body, filled=False)


def test_a_fault_ends_it_without_a_traceback_on_the_terminal(capsys):
    async def run():
        async with app.run_test() as pilot:
            app.query_one(Detail).draw = lambda _: 1 / 0
            app.call_later(app.beat)
            await pilot.pause()

    app = WatchApp(Model("o", ["#"], Clock()), beat=60)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    assert isinstance(app.failure, ZeroDivisionError)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err


def test_one_line_is_cut_where_the_terminal_ends():
    async def body(seen):
        line = seen.app.query_one("#status", OneLine)
        line.show([[("plain", "x" * 500)]])
        assert line.render_line(0).text == "x" * 119 + "…"

    watching(body)
