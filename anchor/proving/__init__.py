"""Proofs, promises and evidence: built from a store and a log, and checked against a policy."""
