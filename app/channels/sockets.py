"""What the HTTP engine and mail sessions ask of sockets and of this system."""

import os
import select
import ssl
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
