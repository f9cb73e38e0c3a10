"""The logs: Merkle trees, notes, tiles and proofs; the writing and the verifying side apart."""
