"""The socket of a server, opened before a model is loaded. Imports neither PyTorch nor FastAPI."""

from __future__ import annotations

import errno
import socket
import sys
from importlib.util import find_spec

from singleshot.errors import SingleshotError

__all__ = ["BACKLOG", "address_of", "hold_connections", "open_socket", "require_packages"]

BACKLOG = 2048  # connections that the system holds until they are accepted
PACKAGES = {
    "fastapi": "FastAPI",
    "uvicorn": "uvicorn",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
}


def require_packages() -> None:
    """Raise SingleshotError where a package of the extra `serve` is missing."""
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise SingleshotError(
            f"a server needs {', '.join(missing)}; install it with: pip install 'singleshot[serve]'"
        )


def open_socket(host: str, port: int) -> socket.socket:
    """Open a socket at an address, where connections are not accepted yet.

    Raises SingleshotError for a port in use, or an address that this machine does not have.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server_socket = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SingleshotError(f"--host {host}: {error.strerror or error}; try 127.0.0.1") from error
    try:
        if sys.platform != "win32":  # there it would let another program take the port
            server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server_socket.bind(address)
    except OSError as error:
        server_socket.close()
        raise SingleshotError(_refusal(host, port, error)) from error
    server_socket.setblocking(False)
    return server_socket


def hold_connections(server_socket: socket.socket) -> None:
    """Let the system hold connections until they are accepted.

    Raises SingleshotError where another program has taken the port since the socket was opened.
    """
    try:
        server_socket.listen(BACKLOG)
    except OSError as error:
        host, port = server_socket.getsockname()[:2]
        raise SingleshotError(_refusal(host, port, error)) from error


def address_of(server_socket: socket.socket) -> str:
    """Write the URL of a socket."""
    host, port = server_socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refusal(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"--port {port}: in use at {host}; end that program, or give another port"
        case errno.EACCES:
            return f"--port {port}: ports below 1024 need root; give another, such as 8000"
        case errno.EADDRNOTAVAIL:
            return f"--host {host}: not an address of this machine; 0.0.0.0 are all of them"
        case _:
            return f"--host {host} --port {port}: {error.strerror or error}"
