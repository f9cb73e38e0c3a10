"""Fixtures for the simulation: nothing is printed, thousands of processes start and end."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet_log():
    """Have no line of any log made."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
