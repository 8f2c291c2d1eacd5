"""A port that is closed for a while stays its owner's."""

import socket
import threading

import pytest

from twins.hubitat.server import HubitatTwin
from twins.ports import held
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin

ADDRESS = "127.77.4.1"


def test_a_held_port_refuses_and_is_nobody_elses():
    """Not even a client that keeps knocking gets it, which would find itself behind the door."""
    with held("127.0.0.1", 0) as holder:
        address = holder.getsockname()
        for _ in range(200):
            with socket.socket() as client:
                assert client.connect_ex(address) != 0
        with socket.create_server(address) as server:  # its owner opens it again beside the holder
            assert server.getsockname() == address
            with pytest.raises(OSError, match="in use"):
                held(*address)


def test_a_hub_that_refused_for_a_while_answers_at_the_same_place():
    with HubitatTwin() as hub:
        url = hub.url
        for _ in range(20):
            hub.fail("refused")
            hub.clear()
        assert hub.url == url


def test_faults_of_the_broker_may_come_and_go_from_many_sides():
    """The twin's own regular look and everybody who asks take turns."""
    with RoborockTwin([FakeRobot("robot-1", "key-of-robot-001", ADDRESS)]) as twin:
        problems = []

        def toggle():
            try:
                for _ in range(15):
                    twin.faults.add("broker_down")
                    twin.settle()
                    twin.faults.clear()
                    twin.settle()
            except BaseException as error:
                problems.append(error)
                raise

        threads = [threading.Thread(target=toggle) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems
        twin.settle()
        socket.create_connection(("127.0.0.1", int(twin.broker_url.rpartition(":")[2])), 2).close()
