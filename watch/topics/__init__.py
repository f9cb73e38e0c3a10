"""What live topics add up to: a tree of counts, bounded history, and how each message reads.

Pure: arrivals and clocks come in as arguments. Counting is cheap and whole; what is parsed is
parsed for what is shown.
"""
