"""What connections cost in memory that have been used and say nothing now."""

import resource
import socket

from servers import Failure


def bytes_per_connection(server, count):
    """Growth of the server's resident memory over `count` connections that have each asked something once."""
    needed = count + 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Failure(f"{count} connections need {needed} open files, and the limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    connections = []
    try:
        ask(server, connections)  # what the first one needs is not counted
        before = server.resident_bytes()
        for _ in range(count):
            ask(server, connections)
        return (server.resident_bytes() - before) / count
    finally:
        for connection in connections:
            connection.close()


def ask(server, connections):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connections.append(connection)
    connection.sendall(b"get missing\r\n")
    if connection.recv(100) != b"END\r\n":
        raise Failure(f"{server.name} does not answer a get")
