"""The view's arm for what is decoded: a row counts only while its message is there and accepted.

Part of revision 0005, and as fixed as that.
"""

# By CROSS JOIN, SQLite keeps to this order: the rows by their index, then each one's message.
DECODED = """
        UNION ALL
        SELECT d.device AS device, d.time AS time, d.metric AS metric, d.value AS value,
            m.collector, m.position
        FROM decoded AS d
        CROSS JOIN messages AS m
        WHERE m.collector = d.collector AND m.position = d.position
          AND m.status = 'accepted' AND m.payload IS NOT NULL AND m.device = d.device
"""
