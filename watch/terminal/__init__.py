"""Live topics in a terminal, by Textual: what is drawn is a sample, what is counted is all.

Rule: no string of a message is ever markup. Everything is drawn from segments with a style of
ours and a text that `watch.line.visible` made harmless.
"""
