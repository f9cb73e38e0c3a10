"""One module a command: options on top, then what the parts do, imported when it runs."""
