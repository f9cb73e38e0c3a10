"""The web server: a page, an API behind it, and a log that any C2SP client can read.

It reads only. What it asks of store, log and keys are the Protocols in `ports`.
"""
