"""The words of docs/errors.md: what to do about each exit code, error, finding and status."""

# A line each, as they stand in the page's tables.
# ruff: noqa: E501
EXITS = {
    "GOOD": ("done, and what was checked holds; or stopped when told to", ""),
    "FALSE": (
        "something was checked and does not hold",
        "read the finding or the sentence; keep store, log and proofs as they are",
    ),
    "USAGE": (
        "an option, a setting or a file is none that the command can use",
        "the sentence names it, and what is allowed",
    ),
    "MISSING": (
        "something that it needs is not there, or not now: a broker, a database, a key, a disk with room",
        "see to it, and start the command again",
    ),
    "FAULT": (
        "a fault of this program",
        "run it again with `FACTORYLEDGER_TRACEBACK=1` and report what it prints",
    ),
    "INTERRUPTED": ("ended at once, by a second Ctrl-C", "nothing: it is what kill -9 does"),
}

ERRORS = {
    "WrongUsage": "the sentence names the option, the variable, or file and line; `factoryledger config show` says where each setting comes from",
    "NotThere": "see to what is named; `factoryledger doctor` looks for the rest",
    "FoundFalse": "keep the files; [findings](#findings-of-an-audit) say what each kind means",
    "NotCanonical": "the value is not spelled as the format has it ([formats](formats.md)): whoever wrote it has to",
    "NotStrictJson": "two readers could take the text for two values (a name twice, `NaN`, a lone surrogate): mend who writes it",
    "MalformedMessage": "the payload ends like a signed message and is none ([formats](formats.md)): mend the device",
    "MalformedPayload": "no Sparkplug payload: mend the edge node, or subscribe to less",
    "MalformedRecording": "file and line are named; `--keep-going` leaves broken lines out and counts them",
    "NotKept": "`convert --to recording` keeps everything; `--lossy` leaves it out",
    "NotInstalled": "install the extra that the sentence names",
    "WeakKey": "make another key: this one would let anybody sign",
    "ContradictoryStatement": "two key entries contradict each other: `factoryledger keys list`, then `audit`",
    "BrokerUnavailable": "is the broker running, at that address, and may this user connect? `factoryledger doctor`",
    "ShutOut": "the broker refuses this client alone: its certificate has ended or is revoked ([renew, enrol](operations.md#the-broker-and-who-is-who-there))",
    "LinkLost": "nothing: what runs for long connects again. For others, run the command again",
    "SessionTakenOver": "two processes use one client id: end one, or give them data folders of their own",
    "PacketTooLarge": "send less in one message, or raise `max_packet_size` at the broker",
    "NotOffered": "the broker lacks a QoS or retained messages; use another broker, or `--qos`",
    "Malformed": "the file is none of its kind, or was damaged: get it again",
    "Refused": "a signature, a path, a root or a quorum does not hold. Is it the right policy? If so, the file is false: keep it",
    "Missing": "a file of the log or a witness that is needed is not there: is the folder whole, the address right? `tlog mirror` fetches what lacks",
    "Unreachable": "the server did not answer, or not whole: try again, or another mirror",
    "Diverged": "the log's folder is older than what is known of it: put the newest copy back ([recovery](recovery.md)). Never delete a witness's state",
    "Locked": "another process writes this log or this witness's state: there may be one. End the other",
    "DiskFailed": "the disk did not take what was written: look at the disk, then start the part again; it begins from what is certain",
    "StoreLocked": "another process writes this store: end it, or give this one a `--name` or another database",
    "StoreUnavailable": "is it there, is it a store, is it of a newer release than this program? `factoryledger doctor`",
    "StoreUnmade": "start a collector on it, or wait for the one that was just started; a running `anchor` waits by itself",
    "StoreDisguised": "somebody who may change the database did so: `factoryledger audit` names what is wrong, and a backup has the rows",
    "LogInDoubt": "the store does not fit what was signed before: was an older copy put back? Use `restore` ([recovery](recovery.md)), then `audit`",
    "CommitFailed": "the sentence has the database's reason (a full disk, a right, a damaged file); nothing of the batch was acknowledged, so nothing is lost",
    "Contested": "nothing: another collector of this database was faster, and the message is stored once",
    "Unreadable": "is it a folder or a zip that `export --evidence` wrote, whole, and of no newer release? ([evidence](evidence.md))",
    "Untrue": "keep the package: the file and line that is named is not what the proofs say. Ask its maker, or make it anew",
    "NothingThere": "name another time or other machines; `factoryledger stats` says what is stored",
    "BadScenario": "every line that is wrong is named, with what is allowed there; `simulate --check FILE` checks without running",
    "OutboxDamaged": "keep the file; start the machine with another `--outbox`. It shows as a break in the machine's chain",
    "OutboxInUse": "another process runs these machines: end it, or give this one another `--outbox`",
    "OutboxUnwritable": "make room, or see to the disk; what is not in the outbox was not published",
    "ExportUnavailable": "install the extra that the sentence names (`parquet`), or ask for CSV",
    "PlotUnavailable": "install the extra `plot`",
}

FINDINGS = {
    "altered": (
        "a row does not say what was signed: its payload, a column or its hash was changed",
        "`store`, mostly",
        "compare the row with a backup; the proof of it, made before, still holds and shows what it said",
    ),
    "back-dated": (
        "a receive time lies before that of the row before it",
        "`store`, or the collector's key where it signed that",
        "as `altered`; the batch's cosignatures bound when it was really received",
    ),
    "batch-altered": (
        "a batch's row contradicts its signed checkpoint, or the one that is anchored",
        "`store`, or the collector's key where both are signed",
        "the anchored copy is the true one. Two signed ones: the key is stolen, `keys revoke collector`",
    ),
    "batch-missing": (
        "the log holds a batch's checkpoint, and the store has no such batch",
        "`store`",
        "after `restore`: these are the messages since the backup. Else rows were removed: put the newest backup back",
    ),
    "claim-altered": (
        "the table of taken numbers disagrees with the accepted rows",
        "`store`",
        "somebody tried to keep a machine's messages out, or to let one in twice",
    ),
    "collector-altered": (
        "the table of collectors names another key or state than the collector's key entry",
        "`store`",
        "`keys list` shows what the log says",
    ),
    "correction-false": (
        "a correction in the log is of no record that the store has there, or gives as stored what is not",
        "the operator's key",
        "see the entry (`export` and `verify` show it), and withdraw it (`correct --withdraw`)",
    ),
    "correction-invalid": (
        "an entry of the log says that it is a correction, and the operator did not sign it, or it may not follow those before it",
        "the log's key",
        "the log took what no anchor of ours takes: who holds its key?",
    ),
    "decoded-altered": (
        "a reading decoded from Sparkplug is not what message and birth give",
        "`store`",
        "the messages are the evidence, and stand; restore the table",
    ),
    "deleted": (
        "a row that a signed root counts is gone",
        "`store`",
        "its claim, if it stands, says whose it was; a backup has it. Its proof, made before, still holds",
    ),
    "duplicate": (
        "one number of a machine was accepted twice",
        "the collector's key, or the machine's",
        "which program signs there? `keys revoke collector`, or see `fork`",
    ),
    "erased": (
        "a payload is gone, and no word of the operator's in the log erases it",
        "`store`",
        "a backup may have it; its hash still says whether a copy is the one",
    ),
    "fork": (
        "two messages of a machine name one predecessor: its key is in two places",
        "the machine's key",
        "`audit --evidence DIR` writes the proof of it; `device revoke`, then enrol the machine anew",
    ),
    "index-altered": (
        "an index of SQLite's says something else than its rows",
        "`store`",
        "whoever reads by the index is shown something false; copy the store row by row (`backup`), and ask who changed it",
    ),
    "inserted": (
        "a row that no signed root covers",
        "`store`",
        "it is not evidence of anything; ask who can write there",
    ),
    "key-invalid": (
        "a key entry is not the operator's, is missing, or contradicts another",
        "`store`",
        "compare with the log's entries (`keys list`)",
    ),
    "key-unlogged": (
        "a key entry that records rely on is not in the log, or only after them",
        "the log's key",
        "the log hid whose keys count: is the anchor's store the right one?",
    ),
    "log-forked": (
        "the log contradicts a checkpoint that its key signed before",
        "the log's key",
        "that is two histories: `audit --evidence DIR`, keep all copies, tell everybody who relies on the log",
    ),
    "log-invalid": (
        "a file of the log does not fit its root, or its checkpoint's signatures do not meet the policy",
        "the log's key, or a witness's",
        "get the files again from a mirror (`tlog mirror`); is the policy the right one?",
    ),
    "log-truncated": (
        "the log is shorter than a checkpoint that was seen of it",
        "the log's key",
        "an older copy was put back: put the newest one back ([recovery](recovery.md)). `likely`: one machine's word alone",
    ),
    "misjudged": (
        "a collector signed a judgement that does not follow from message and keys",
        "the collector's key",
        "is the collector's program what you installed? `keys revoke collector`",
    ),
    "receipt-false": (
        "an outside ledger's receipt does not hold, or is beside another checkpoint",
        "`store`",
        "get it again; the others still count ([ledgers](ledgers.md))",
    ),
    "reordered": (
        "a row stands at another position than where it was signed",
        "`store`",
        "as `altered`",
    ),
    "schema-altered": (
        "a table is none any more, or answers by who asks: a view, a trigger, a rule",
        "`store`",
        "nothing of such a table is evidence; restore the store, ask who may change its schema",
    ),
    "tiles-altered": (
        "the stored hashes of a collector's log do not fit its rows",
        "`store`",
        "the rows decide, and the signed root; restore the store",
    ),
}

STATUS = {
    "accepted": ("is signed by an enrolled key of its machine, and whole", ""),
    "unsigned": (
        "has no signature: foreign, or of a machine that cannot sign",
        "nothing, where you expect such messages",
    ),
    "bad-signature": (
        "is signed, and not by this machine's key",
        "a forgery, or a key that changed: who may publish there?",
    ),
    "unknown-device": ("names a machine that nobody enrolled", "`device enrol`, or see who it is"),
    "revoked": (
        "is signed with a key that had been revoked",
        "if the machine is to go on: `device enrol` it anew",
    ),
    "malformed": ("ends like a signed message and is none", "mend the device"),
    "conflict": (
        "has a number that the same machine gave to another message",
        "a clone, or an outbox that was copied: see `fork`",
    ),
}
