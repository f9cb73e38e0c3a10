"""The faults of a fleet as they come: conditions to couriers, publications to intruders."""

from collections.abc import Sequence

from simulator.courier import Courier
from simulator.faults.fault import FAIR
from simulator.intruders import Intruders
from simulator.station import BefallenStation, Station


class Misfortune:
    """Brings what befell stations to those who carry their messages."""

    def __init__(
        self,
        stations: Sequence[Station],
        couriers: Sequence[Courier],
        intruders: Intruders | None,
    ) -> None:
        self._befallen = [
            (station, courier)
            for station, courier in zip(stations, couriers, strict=True)
            if isinstance(station, BefallenStation)
        ]
        self._intruders = intruders
        for station, courier in self._befallen:
            courier.street = station.street

    def strike(self) -> None:
        """After a beat: have its conditions, and let intruders publish."""
        for station, courier in self._befallen:
            courier.feel(station.weather)
            if self._intruders is not None and station.intruded:
                self._intruders.publish(station.intruded)

    def end(self) -> None:
        """No fault outlasts the beats: what waits may go now."""
        for station, courier in self._befallen:
            station.street.channel.weather = FAIR
            courier.feel(FAIR)
