"""What machines say of themselves, as it is heard: their states, readings and alarms. Pure.

Who knows the keys is passed in; without, `signed` and `unsigned` tell a message's shape, no more.
"""
