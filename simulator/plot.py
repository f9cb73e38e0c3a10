"""Pictures of a day of each kind of machine: a PNG each, drawn with matplotlib.

Left the day in bins (mean, and from the least to the most), right some minutes scan by
scan; behind them the PackML state that the machine was in, most of the time or just then,
and at the top how the states share the time.
matplotlib is an extra (`plot`): it is imported when something is drawn.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from simulator.errors import PlotUnavailable
from simulator.gallery import Day
from simulator.packml import State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours by what the states mean, and the names under which they stand in the legend.
WORKING, ON_THE_WAY, WAITING, HELD, SUSPENDED, STOPPED, ABORTED = (
    "#bfe3bf",
    "#ddeecb",
    "#dfe6ee",
    "#ffe2a8",
    "#e3d3ee",
    "#c4c7cb",
    "#f3b5ad",
)
LEGEND: Final = {
    "Execute": WORKING,
    "starting, completing": ON_THE_WAY,
    "idle, resetting, completed": WAITING,
    "held": HELD,
    "suspended": SUSPENDED,
    "stopped": STOPPED,
    "aborted, clearing": ABORTED,
}
COLOURS: Final[dict[State, str]] = {
    State.EXECUTE: WORKING,
    State.STARTING: ON_THE_WAY,
    State.COMPLETING: ON_THE_WAY,
    State.UNHOLDING: ON_THE_WAY,
    State.UNSUSPENDING: ON_THE_WAY,
    State.IDLE: WAITING,
    State.RESETTING: WAITING,
    State.COMPLETED: WAITING,
    State.HOLDING: HELD,
    State.HELD: HELD,
    State.SUSPENDING: SUSPENDED,
    State.SUSPENDED: SUSPENDED,
    State.STOPPING: STOPPED,
    State.STOPPED: STOPPED,
    State.ABORTING: ABORTED,
    State.ABORTED: ABORTED,
    State.CLEARING: ABORTED,
}
INK: Final = "#1f4e79"
# The bands of a bearing share one pair of axes: the whole, then the parts.
BANDS: Final = {
    "vibration": "#1f4e79",
    "vibration_bpfo": "#c0392b",
    "vibration_bpfi": "#d68910",
    "vibration_bsf": "#7d3c98",
    "vibration_ftf": "#117864",
}
ROW, MARGIN, WIDTH = 0.82, 1.25, 11.0  # inches
DPI: Final = 90
STRIP: Final = 0.5  # of a row
PALETTE: Final = 96  # colours a picture: keeps it small
HOUR, MINUTE = 3600.0, 60.0


def require_matplotlib() -> None:
    """Raise PlotUnavailable, with what to install, where matplotlib is not there."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415 - an extra, and slow to import
        import PIL.Image  # noqa: F401, PLC0415 - comes with matplotlib
    except ImportError as error:
        raise PlotUnavailable(
            f"plots are drawn with matplotlib, which cannot be imported here ({error}); "
            "install it with: pip install 'factoryledger[plot]'"
        ) from error


def draw(days: Sequence[Day], folder: Path) -> list[Path]:
    """Write `<kind>.png` for each day into the folder, which is made; their paths.

    PlotUnavailable without matplotlib; OSError from the disk, as it is.
    """
    require_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for day in days:
        path = folder / f"{day.kind.name}.png"
        path.write_bytes(_png(_figure(day)))
        paths.append(path)
    return paths


def _rows(day: Day) -> Iterator[tuple[str, ...]]:
    """The metrics that share a pair of axes, from the top."""
    bands = tuple(name for name in day.kind.metrics if name in BANDS)
    for name in day.kind.metrics:
        if name not in BANDS:
            yield (name,)
    if bands:
        yield bands


def _figure(day: Day) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    rows = list(_rows(day))
    height = MARGIN + ROW * (len(rows) + STRIP)
    figure = Figure(figsize=(WIDTH, height))
    heights = (STRIP, *(1.0 for _ in rows))
    grid = figure.subplots(1 + len(rows), 2, sharex="col", squeeze=False, height_ratios=heights)
    _draw_states(grid[0, 0], grid[0, 1], day)
    for names, (left, right) in zip(rows, grid[1:], strict=True):
        _draw_day(left, day, names)
        _draw_window(right, day, names)
        _label(left, right, day, names)
    _frame(figure, day, height)
    _draw_clock(grid[-1, 0], grid[-1, 1], day)
    return figure


def _draw_clock(left: "Axes", right: "Axes", day: Day) -> None:
    """Whole hours on the left, whole minutes on the right."""
    begin, end = day.window
    for axes, seconds, unit, said in (
        (left, day.seconds, HOUR, "hours"),
        (right, end - begin, MINUTE, "minutes"),
    ):
        axes.set_xlabel(f"{said} since the start", fontsize=8)
        if seconds >= 3 * unit:
            axes.locator_params(axis="x", nbins=9, integer=True, steps=[1, 2, 3, 4, 5, 6, 10])


def _draw_states(left: "Axes", right: "Axes", day: Day) -> None:
    """The strip at the top: shares of the states in each bin, and the states one by one."""
    hours = [number * day.width / HOUR for number in range(len(day.shares))]
    parts: dict[str, list[float]] = {colour: [] for colour in LEGEND.values()}
    for share in day.shares:
        for colour, column in parts.items():
            column.append(sum(n for state, n in share.items() if COLOURS[state] == colour))
    whole = [sum(share.values()) for share in day.shares]
    floor = [0.0 for _ in hours]
    for colour, column in parts.items():
        top = [low + 100.0 * n / of for low, n, of in zip(floor, column, whole, strict=True)]
        left.fill_between(hours, floor, top, color=colour, lw=0, step="post")
        floor = top
    _shade(right, [(s.state, s.begin / MINUTE, s.end / MINUTE) for s in day.stretches])
    left.set_ylabel("state\n[%]", rotation=0, ha="right", va="center", fontsize=8)
    left.set_ylim(0, 100)
    right.set_yticks([])
    for axes in (left, right):
        axes.tick_params(labelsize=7, length=2)


def _shade(axes: "Axes", stretches: Iterable[tuple[State, float, float]]) -> None:
    """Colour the background by state; neighbours of one colour are one rectangle."""
    merged: list[tuple[str, float, float]] = []
    for state, begin, end in stretches:
        colour = COLOURS[state]
        if merged and merged[-1][0] == colour:
            merged[-1] = (colour, merged[-1][1], end)
        else:
            merged.append((colour, begin, end))
    for colour, begin, end in merged:
        axes.axvspan(begin, end, color=colour, lw=0)


def _frame(figure: "Figure", day: Day, height: float) -> None:
    """Title, legend of the states, and the room for all."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - an extra

    machine = day.machine
    figure.suptitle(
        f"{day.kind.name}: {machine.name}, seed {machine.seed}", fontsize=11, y=1 - 0.12 / height
    )
    figure.text(
        0.325, 1 - 0.46 / height, f"mean and range in bins of {day.width / MINUTE:g} min",
        ha="center", fontsize=8,
    )  # fmt: skip
    figure.text(0.78, 1 - 0.46 / height, "scan by scan", ha="center", fontsize=8)
    patches = [Patch(facecolor=colour, label=label) for label, colour in LEGEND.items()]
    figure.legend(
        handles=patches, loc="lower center", ncols=len(patches), fontsize=7.5, frameon=False,
        handlelength=1.2, columnspacing=1.4,
    )  # fmt: skip
    figure.subplots_adjust(
        left=0.125,
        right=0.99,
        top=1 - 0.52 / height,
        bottom=0.66 / height,
        wspace=0.14,
        hspace=0.14,
    )


def _draw_day(axes: "Axes", day: Day, names: Sequence[str]) -> None:
    hours = [(number + 0.5) * day.width / HOUR for number in range(len(day.bins))]
    width = day.width / HOUR
    usual = (share.most_common(1)[0][0] for share in day.shares)
    _shade(axes, ((state, n * width, (n + 1) * width) for n, state in enumerate(usual)))
    for name in names:
        spans = [found[name] for found in day.bins]
        colour = BANDS.get(name, INK)
        if len(names) == 1 or name == "vibration":
            lows, highs = [span.low for span in spans], [span.high for span in spans]
            axes.fill_between(hours, lows, highs, color=colour, alpha=0.22, lw=0, step="mid")
        axes.plot(hours, [span.mean for span in spans], color=colour, lw=1.0, label=_short(name))
    axes.set_xlim(0, day.seconds / HOUR)


def _draw_window(axes: "Axes", day: Day, names: Sequence[str]) -> None:
    _shade(axes, [(s.state, s.begin / MINUTE, s.end / MINUTE) for s in day.stretches])
    minutes = [time / MINUTE for time in day.times]
    for name in names:
        values = [scan[name] for scan in day.scans]
        axes.plot(minutes, values, color=BANDS.get(name, INK), lw=0.8, label=_short(name))
    begin, end = day.window
    axes.set_xlim(begin / MINUTE, end / MINUTE)


def _label(left: "Axes", right: "Axes", day: Day, names: Sequence[str]) -> None:
    """Name and unit on the left, few ticks, and which band is which."""
    unit = day.kind.metrics[names[0]].unit
    said = names[0].replace("_", "\n")
    left.set_ylabel(f"{said}\n[{unit}]", rotation=0, ha="right", va="center", fontsize=8)
    for axes in (left, right):
        axes.locator_params(axis="y", nbins=4)
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.tick_params(labelsize=7, length=2)
        axes.margins(y=0.12)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    if len(names) > 1:
        right.set_ylim(top=1.45 * right.get_ylim()[1])
        right.legend(fontsize=6.5, ncols=len(names), loc="upper right", frameon=False,
                     handlelength=1.0, columnspacing=0.9, borderaxespad=0.1)  # fmt: skip


def _short(name: str) -> str:
    return name.removeprefix("vibration_").upper() if "_" in name else "overall"


def _states() -> Iterator[int]:
    """Red, green and blue of the states' colours, one after the other."""
    for colour in LEGEND.values():
        yield from bytes.fromhex(colour.removeprefix("#"))


def _png(figure: "Figure") -> bytes:
    """The picture with a palette, the states' colours as they are: a few dozen kilobytes."""
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    with Image.open(drawn) as picture:
        whole = picture.convert("RGB")
        palette = Image.new("P", (1, 1))
        others = whole.quantize(PALETTE, Image.Quantize.MAXCOVERAGE).getpalette() or []
        palette.putpalette([*_states(), *others[: 3 * PALETTE]])
        few = whole.quantize(palette=palette, dither=Image.Dither.NONE)
        few.save(small, format="png", optimize=True)
    return small.getvalue()
