"""A broker that saves what it holds, every second."""

from factoryledger.broker import LocalBroker


class KeepingBroker(LocalBroker):
    """Mosquitto with persistence, in `mosquitto.db` of its folder."""

    def _command(self):
        command = super()._command()
        path = self.directory / "mosquitto.conf"
        # Mosquitto takes the last word of each.
        more = "persistence true\nautosave_interval 1\n"
        text = path.read_text().replace("persistence false\n", more)
        # Started by root, it would become a user that may not write there.
        path.write_text(f"{text}persistence_location {self.directory}/\nuser root\n")
        return command
