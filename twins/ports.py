"""Ports that stay ours while nobody listens on them."""

import socket


def held(host: str, port: int) -> socket.socket:
    """Return a socket that holds an address without listening; 0 takes a free port. Close it to let go.

    A server may listen at the same address beside it. While none does, connections are refused, and the
    system gives the port to nobody: not even to a client that tries to connect to it again and again and
    would end up connected to itself.

    Raises:
        OSError: when somebody listens there already.
    """
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, port))
    except BaseException:
        holder.close()
        raise
    return holder
