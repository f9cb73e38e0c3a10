"""`README.txt`: what the package is, and the ways to check it. Pure."""

from dossier.manifest import Manifest
from telemetry.canonical import time_text

_TEXT = """\
EVIDENCE PACKAGE
{title}

Machines   {machines}
From       {start}
Until      {stop} (that moment itself not included; both by the machines' own clocks)
Made       {made} by {by}, with factoryledger {release}
Package    {number}
           (the SHA-256 of manifest.json; it stands on every page of the report)

What these machines signed in that time, and what shows that it is unchanged and whole.
Start with report.html, or report.pdf where there is one: it says in words what is shown
and what is not.

WHAT IS HERE

  report.html      the report, for any browser; it loads nothing and runs nothing
  report.pdf       the same for paper, where it was made
  readings.csv     every reading: machine, time, metric, value, unit, and the message it is of
  figures.json     what the report says in numbers
  proofs/          for each machine the signed messages themselves and their proofs
  keys/            the operator's signed words on whose key is whose, as they stand in the log
  checkpoints/     the heads of the anchor log that the proofs rest on, with the signatures of
                   the log and of its witnesses
  policy           the keys that the maker of this package trusts
  verifier.html    a page that checks the proofs of single messages (birth-*.proof and
                   other-*.proof) in a browser, without a network
  manifest.json    every file that the report is made of, with its size and SHA-256
  SHA256SUMS       every file, for `sha256sum`

TRUST NEVER COMES FROM INSIDE OF THIS PACKAGE

Whoever makes a package can write a policy with keys of his own beside it, and a page that
finds everything in order. Get the policy from somebody you trust: the machines' owner in
person, a copy that you kept, a court. The same holds for the program and for verifier.html.

CHECK IT WITH THE PROGRAM

  factoryledger verify THIS-FOLDER --policy YOUR-POLICY

It checks every file, every signature and every proof; that readings.csv and the figures are
exactly what the proved messages say; that no message between a machine's first and last here
is missing; and that report.html says the same. It names the first thing that is not so, and
ends with exit code 0 (all holds), 1 (something is not what it has to be) or 2 (it cannot be
read).

CHECK IT IN A BROWSER

Open a verifier.html that you trust, give it your policy, and a file birth-*.proof or
other-*.proof out of proofs/.

CHECK IT BY HAND, WITH OTHERS' TOOLS

1. sha256sum -c SHA256SUMS             every file is as it was when this list was made
2. sha256sum manifest.json             gives the package's number, on each page of the report
3. Each keys/N.tlog-proof proves keys/N.entry under the policy's keys, in the open format
   C2SP tlog-proof: any tool that reads it will do, such as proofbundle or aics-tlog, or
     factoryledger tlog verify keys/N.tlog-proof --entry keys/N.entry --policy YOUR-POLICY
4. Each file in checkpoints/ is a C2SP checkpoint. Its origin, size and root are to be those
   that the published log and its witnesses show at that size. The report prints them in
   groups, to be compared by eye.
5. proofs/*/*.proof are JSON: in each the signed messages stand as the machines wrote them.
   Their format, and how to compute the hashes by hand, is in docs/formats.md of the program.

WHAT IT DOES NOT SHOW

Not that a sensor was right, or a machine's clock. Not what nobody sent. Not that a key was
not stolen. The report says for each machine what else stays open.
"""


def readme(manifest: Manifest) -> bytes:
    """The file, of a manifest."""
    about = manifest.about
    machines = ", ".join(about.machines[:20])
    more = len(about.machines) - 20
    return _TEXT.format(
        title=about.title,
        machines=f"{machines} and {more} more" if more > 0 else machines,
        start=time_text(about.start),
        stop=time_text(about.stop),
        made=time_text(about.made),
        by=about.by,
        release=about.release,
        number=manifest.number,
    ).encode()
