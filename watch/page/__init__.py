"""The page: HTML, styles and ES modules of our own, as files that the server knows by name.

They are served as they are, built by nothing. The modules know the addresses of the API and
nothing else of the server; whatever comes from there goes into the document as text. How words
of others are made visible is the verifier page's own module, served from there.
"""
