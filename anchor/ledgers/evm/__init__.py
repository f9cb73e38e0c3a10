"""An EVM chain as a ledger: a contract keeps each checkpoint, a block's hash shows it."""
