"""What the HTTP engine and mail sessions ask of sockets and of this system."""

import os
import select
import socket
import ssl
import time
from pathlib import Path

import certifi
import pycurl


def ca_bundle() -> str:
    """The authorities to trust: SSL_CERT_FILE, the system's, or the bundled list."""
    system = ssl.get_default_verify_paths().openssl_cafile
    for path in (os.environ.get("SSL_CERT_FILE", ""), system):
        if path and Path(path).exists():
            return path
    return certifi.where()


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection to the first address of a host that answers, within so many seconds in all.

    Each address gets its share of what is left, so that one which swallows everything does not
    keep the next from being tried. Raises OSError.
    """
    ends = time.monotonic() + seconds
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    error = OSError(f"{host} has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(found):
        left = max(0.001, ends - time.monotonic())
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(left / (len(found) - tried))
            made.connect(address)
        except OSError as refused:
            made.close()
            error = refused
        else:
            return made
    raise error


def has_ended(descriptor: int) -> bool:
    """Whether the other side has ended this connection, in whatever way.

    Asked when libcurl lets go of a socket: a reset that arrives between our poll and libcurl's read
    is seen by nobody else, and libcurl would send the streams in the air once more.
    """
    read_end = getattr(select, "POLLRDHUP", 0)  # Linux has a name of its own for it
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | read_end)
    ended = select.POLLERR | select.POLLHUP | select.POLLNVAL | read_end
    return any(happened & ended for _, happened in poll.poll(0))


def action_of(happened: int) -> int:
    """What `select.poll` saw, in the words of libcurl."""
    action = 0
    if happened & (select.POLLIN | select.POLLHUP | select.POLLERR):
        action |= pycurl.CSELECT_IN
    if happened & select.POLLOUT:
        action |= pycurl.CSELECT_OUT
    if happened & select.POLLERR:
        action |= pycurl.CSELECT_ERR
    return action
