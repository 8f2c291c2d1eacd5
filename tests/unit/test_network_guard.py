"""The guard of the unit ring works: no test of it reaches beyond this machine."""

import socket

import pytest


def test_a_connection_to_another_machine_fails_the_test():
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 80))


def test_a_connection_to_this_machine_is_allowed():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
