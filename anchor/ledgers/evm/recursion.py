"""Python's recursion limit, back where it belongs: importing this module does it.

eth-account brings py_ecc, which raises the limit to 100,000 for the whole process, once, as it
is imported. In Python 3.11 the limit is all that keeps `json` from running off the end of the
stack: a proof file of 100,000 brackets would end the process by a segmentation fault.
"""

import sys
from typing import Final

import eth_account  # noqa: F401 - first, so that nothing raises the limit later

_LIMIT: Final = 1000  # as Python starts

sys.setrecursionlimit(_LIMIT)
