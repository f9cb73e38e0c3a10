"""Time from outside: ledgers that nobody in the factory controls, and what they vouch for."""
