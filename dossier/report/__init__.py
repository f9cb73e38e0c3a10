"""The report: what a package shows, for a person without the program."""
