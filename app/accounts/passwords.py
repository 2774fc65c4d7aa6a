"""Passwords: what is good enough, argon2id hashes, and no more of them at once than memory allows.

Rules of NIST SP 800-63B and ASVS 6.2: length counts, composition does not, known ones are refused.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Invalid, TooMany

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 256
_COMMON: Final = Path(__file__).with_name("common_passwords.txt")
_WAIT_SECONDS: Final = 10.0

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(4)


def check(password: str, email: str = "", name: str = "", pointer: str = "/password") -> None:
    """Raises Invalid with a sentence that says what would be better."""
    if len(password) < MIN_LENGTH:
        _refuse(pointer, "too_short", f"Use at least {MIN_LENGTH} characters.")
    if len(password) > MAX_LENGTH:
        _refuse(pointer, "too_long", f"Use at most {MAX_LENGTH} characters.")
    if password.lower() in _common() or len(set(password)) < 4:
        _refuse(pointer, "too_common", "This password is easy to guess. Choose another.")
    own = {email.lower(), email.lower().partition("@")[0], name.lower()}
    if password.lower() in own:
        _refuse(pointer, "too_common", "The password must not be the name or the e-mail address.")


def make() -> str:
    """A one-time password of four groups, easy to read out: about 79 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    groups = ("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def hashed(password: str) -> str:
    """The argon2id hash, with its salt and parameters. Raises TooMany when the queue is long."""
    with _slot():
        return _hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether it is the password. None, for an unknown member, takes as long and never matches."""
    with _slot():
        try:
            _hasher.verify(password_hash or _decoy(), password[: MAX_LENGTH + 1])
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=_WAIT_SECONDS):
        raise TooMany("Many people are signing in just now. Try again in a moment.", 5)
    try:
        yield
    finally:
        _slots.release()


@cache
def _decoy() -> str:
    return _hasher.hash(secrets.token_hex(16))


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text(encoding="utf-8").split())


def _refuse(pointer: str, code: str, message: str) -> None:
    raise Invalid.one(pointer, code, message)
