"""Running a simulated factory: its plant, without a broker or live."""
