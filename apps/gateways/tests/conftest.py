import socket

import pytest

from paysys.testing.simulator import Simulator, simulator, simulator_process

__all__ = ["simulator", "simulator_process"]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def plain_port(simulator: Simulator) -> int:
    """A port that speaks HTTP and no TLS."""
    return int(simulator.url.rsplit(":", 1)[1])
