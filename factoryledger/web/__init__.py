"""What the web server asks of this installation: store, log, keys, proofs, the password."""
