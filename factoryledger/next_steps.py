"""What to try after an error of the system, by its number: one clause each."""

import errno
from collections.abc import Mapping
from typing import Final

NEXT_STEPS: Final[Mapping[int, str]] = {
    errno.ENOENT: "is it spelt right, and is this the folder you mean?",
    errno.EEXIST: "name another, or move what is there out of the way",
    errno.EISDIR: "a file is wanted here: name one in that folder",
    errno.ENOTDIR: "a part of this path is a file, where a folder is wanted",
    errno.ENOTEMPTY: "name another folder, or empty this one",
    errno.EACCES: "may this user do that? `ls -ld` shows owner and mode",
    errno.EPERM: "may this user do that? `ls -ld` shows owner and mode",
    errno.EROFS: "it is mounted read-only: name a folder that can be written",
    errno.ENOSPC: "free some space, then run it again; `df -h` shows how much there is",
    errno.EDQUOT: "this user's share of the disk is full: free some, then run it again",
    errno.EFBIG: "the file would be larger than this system or `ulimit -f` allows",
    errno.EMFILE: "raise the limit of open files: `ulimit -n`",
    errno.ENFILE: "the whole system has too many files open",
    errno.EIO: "the disk failed: look at the system's log before it is trusted again",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.EADDRINUSE: "another program has this port: stop it, or name another",
    errno.EADDRNOTAVAIL: "this machine has no such address: `ip address` lists its own",
    errno.ECONNREFUSED: "nothing listens there: is it running, and is this its port?",
    errno.EPIPE: "who read this has ended",
}
"""The numbers are POSIX's (errno.h); one that is not here has nothing to add."""
