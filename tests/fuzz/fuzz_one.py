"""Fuzz one target by coverage, in a process of its own: `fuzz_one.py GROUP/NAME FOLDER SECONDS`.

Atheris (libFuzzer under CPython) changes inputs and keeps those that reach new code. A finding
is written to `FOLDER/findings`, each place once, and the run goes on; what hangs or takes all
memory ends the process, and libFuzzer keeps that input itself. Needs `make fuzz-environment`.
"""

import hashlib
import json
import sys
import time
import traceback
from pathlib import Path

import atheris

PACKAGES = ["telemetry", "anchor", "collector", "recorder", "simulator", "watch", "factoryledger"]
HERE = Path(__file__).parent
TIMEOUT = 30
"""Seconds of the wall's clock, beyond which libFuzzer ends the process; the bound is below."""
MEGABYTES = 1024


def main() -> None:
    """Fuzz, with the corpus in `FOLDER/corpus`, which grows by what reaches new code."""
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    sys.path.insert(0, str(HERE))
    with atheris.instrument_imports(include=PACKAGES):
        import fuzz_table

        target = fuzz_table.target(name)
    corpus = folder / "corpus"
    seeds_into(corpus, target)
    found = Findings(folder / "findings", target)
    for seed in target.seeds():
        found.attempt(seed)  # what a target makes once is not an input's time
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={folder}/findings/",
        "-print_final_stats=1",
        "-reload=0",
    ]
    if target.tokens:
        dictionary = folder / "dictionary"
        dictionary.write_text("".join(f'"{_escaped(one)}"\n' for one in target.tokens))
        arguments.append(f"-dict={dictionary}")
    atheris.Setup(arguments, found.look, enable_python_coverage=True)
    atheris.Fuzz()


def seeds_into(corpus: Path, target: object) -> None:
    """Write the valid examples, each under its hash, as libFuzzer names what it keeps."""
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():  # type: ignore[attr-defined]
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token[:60])


class Findings:
    """Looks at one input after the other, and writes down what should not be."""

    def __init__(self, folder: Path, target: object) -> None:
        from fuzz_target import SECONDS, attempt

        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._target = folder, target
        self._attempt, self._seconds = attempt, SECONDS
        self._seen: set[str] = set()

    def attempt(self, data: bytes) -> None:
        """Give one input to the target, without a measure."""
        self._attempt(self._target, data)

    def look(self, data: bytes) -> None:
        """Give one input to the target; a finding is kept, and no exception leaves."""
        started = time.process_time()
        try:
            self._attempt(self._target, data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a library's panic is no Exception
            self._keep(data, type(error).__name__, _place(error), str(error))
        spent = time.process_time() - started
        if spent > self._seconds:
            self._keep(data, "slow", "", f"{spent:.2f} s of processor time")

    def _keep(self, data: bytes, kind: str, place: str, said: str) -> None:
        key = f"{kind} {place}"
        if key in self._seen:
            return
        self._seen.add(key)
        stem = hashlib.sha1(data).hexdigest()[:12]
        (self._folder / f"{kind}-{stem}").write_bytes(data)
        told = {"kind": kind, "place": place, "said": said[:500], "bytes": len(data)}
        with (self._folder / "findings.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")


def _place(error: BaseException) -> str:
    """The last line of our own code that the exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if any(f"/{part}/" in f.filename for part in (*PACKAGES, "fuzz"))]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


if __name__ == "__main__":
    main()
