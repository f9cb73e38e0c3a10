"""The verifier page: one HTML file that checks a proof in a browser, offline.

Its sources are the small modules beside this one; `make verifier` puts them into
`verifier.html`, which is what is shipped. It verifies by the rules of `anchor`, written again in
the browser's language, and says the same sentences; a shared table of cases holds both to that.
"""

from importlib.resources import files


def page() -> bytes:
    """Give the page: a whole HTML file, which needs nothing beside it."""
    return files(__name__).joinpath("verifier.html").read_bytes()
