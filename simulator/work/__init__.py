"""What machines have to do: orders, shifts, lines; and what became of it: parts and OEE."""
