"""What can go wrong in the simulator."""


class SimulatorError(Exception):
    """Root of the simulator's errors."""


class BadScenario(SimulatorError, ValueError):  # noqa: N818 - says what the file is
    """A scenario file that cannot be read or says something impossible."""


class OutboxDamaged(SimulatorError):  # noqa: N818 - says what the outbox is
    """An outbox file that lost bytes which had been durable: not what a crash leaves."""


class OutboxInUse(SimulatorError):  # noqa: N818 - says what the outbox is
    """Another process has this device's outbox open; two would fork its chain."""


class OutboxUnwritable(SimulatorError):  # noqa: N818 - says what the outbox is
    """The disk did not take what must be durable before it is published."""


class ExportUnavailable(SimulatorError):  # noqa: N818 - says what is not there
    """A data set was asked for in a format whose library is not installed."""


class PlotUnavailable(SimulatorError):  # noqa: N818 - says what is not there
    """Pictures were asked for and what draws them is not installed."""
