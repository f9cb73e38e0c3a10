"""`factoryledger COMMAND`: names the commands, and turns whatever they raise into exit codes.

Each command is one module of `factoryledger.commands` with light imports on top; what it
needs of the parts it imports when it runs, so `--help` is quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from factoryledger.commands import (
    anchor,
    audit,
    backup,
    collect,
    config,
    convert,
    correct,
    demo,
    device,
    doctor,
    export,
    gateway,
    ingest,
    init,
    keys,
    prove,
    record,
    replay,
    simulate,
    simulate_fault,
    stats,
    tlog,
    verify,
    watch,
    web,
    witness,
)
from factoryledger.exits import Exit, exit_for
from factoryledger.manual import Commands
from factoryledger.running import say

app = Commands(
    name="factoryledger",
    help="A factory's telemetry, kept so that nobody can quietly change it.",
    epilog="Exit codes: 0 good; 1 checked and found false; 2 wrong usage or unreadable input; "
    "3 something it needs is not there.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from factoryledger.versions import spelled  # noqa: PLC0415 - slow, rarely asked

        typer.echo(spelled())
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version, and the formats that are read and written.",
        ),
    ] = False,
) -> None:
    """A factory's telemetry, kept so that nobody can quietly change it."""


# In the order in which a newcomer meets them.
app.command("demo", short_help="Run everything on this machine, and check it.")(demo.demo)
app.command("init", short_help="Make the keys and the policy of a new ledger.")(init.init)
app.command("simulate", short_help="Run a simulated factory.")(simulate.simulate)
app.command("simulate-fault", short_help="Let a fault befall a running simulation.")(
    simulate_fault.simulate_fault
)
app.command("gateway", short_help="Sign on behalf of machines that cannot.")(gateway.gateway)
app.command("collect", short_help="Store every message once, hash it, receipt it.")(collect.collect)
app.add_typer(anchor.app, name="anchor", short_help="Put batches into the log, have it cosigned.")
app.command("witness", short_help="Cosign checkpoints of logs that only grow.")(witness.witness)
app.command("ingest", short_help="Store a recording, without a broker.")(ingest.ingest)
app.command("record", short_help="Record live topics.")(record.record)
app.command("replay", short_help="Publish a recording.")(replay.replay)
app.command("convert", short_help="Write a recording in another format.")(convert.convert)
app.command("export", short_help="Write stored messages to a recording.")(export.export)
app.command("watch", short_help="Show live topics in the terminal.")(watch.watch)
app.command("web", short_help="Show the factory in a browser.")(web.web)
app.command("stats", short_help="Count messages, gaps and batches.")(stats.stats)
app.command("prove", short_help="Write the proof of a message.")(prove.prove)
app.command("verify", short_help="Verify proof files, offline.")(verify.verify)
app.command("correct", short_help="Say what a stored reading should have been.")(correct.correct)
app.command("audit", short_help="Check the whole store against the log.")(audit.audit)
app.add_typer(tlog.app, name="tlog")
app.add_typer(device.app, name="device")
app.add_typer(keys.app, name="keys")
app.command("backup", short_help="Copy an installation while it runs.")(backup.backup)
app.command("restore", short_help="Put a backup back, so that nothing forks.")(backup.restore)
app.add_typer(config.app, name="config")
app.command("doctor", short_help="Say what is wrong with this installation.")(doctor.doctor)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; an error is one sentence on stderr."""
    try:
        code = typer.main.get_command(app).main(
            list(arguments), prog_name="factoryledger", standalone_mode=False
        )
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has had enough (`| head`), which is no failure; typer makes
        # a SystemExit of it. What is still buffered must not raise again at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.GOOD
    except typer.Abort:
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into exit codes
        return _failed(error)
    return code if isinstance(code, int) else Exit.GOOD


def _failed(error: Exception) -> int:
    """Say what failed, and give the exit code."""
    if os.environ.get("FACTORYLEDGER_TRACEBACK") == "1":
        sys.excepthook(type(error), error, error.__traceback__)
    show = getattr(error, "show", None)
    if isinstance(error, TyperException) and show is not None:
        show()  # typer's own complaint about the command line: usage and what is wrong
        return Exit.USAGE
    code, sentence = exit_for(error)
    say(f"factoryledger: {sentence}", level="error")
    return code


def main() -> None:
    """Run the command as a program."""
    sys.exit(run(sys.argv[1:]))
