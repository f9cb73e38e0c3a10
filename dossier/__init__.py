"""An auditor's package: proofs of a period, what follows from them, and a report to print."""
