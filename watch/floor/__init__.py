"""What machines say of themselves, as it is heard: their states, readings and alarms. Pure.

Nothing here was verified: `signed` and `unsigned` tell a message's shape, no more.
"""
