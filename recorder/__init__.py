"""MQTT to a recording and back."""
