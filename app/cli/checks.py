"""What `herald doctor` looks at. Every check ends in a finding; none stops the others."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from app.settings import ProviderSettings, Settings

PROVIDERS: Final = (
    ("SendGrid", "sendgrid_api_key", "SENDGRID_API_KEY"),
    ("The mail server", "smtp_url", "SMTP_URL"),
    ("Twilio", "twilio_account_sid", "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
    ("APNs", "apns_key", "APNS_KEY, APNS_KEY_ID, APNS_TEAM_ID and APNS_TOPIC"),
    ("FCM", "fcm_service_account", "FCM_SERVICE_ACCOUNT"),
)
_MAIL: Final = ("sendgrid_api_key", "smtp_url")  # either will do


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one part; `advice` says what to do when it is not well."""

    ok: bool
    sentence: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """All checks, in the order in which one would repair."""
    from app.cli.running import reached
    from app.servers.process import ServerError
    from app.settings import SettingsError, load

    yield _python()
    try:
        settings = load()
    except SettingsError as error:
        yield Finding(False, f"A setting is wrong: {error}", "Correct it and start again.")
        return
    yield Finding(True, "All settings can be read.")
    yield from _folder(settings.var_dir)
    yield _browser_files()
    yield from _providers(settings)
    try:
        with reached() as known:
            yield from _servers(known)
    except ServerError as error:
        yield Finding(False, str(error), "See the sentence above; the logs are in var/log.")


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(True, f"Python {version} runs Herald.")


def _folder(var_dir: Path) -> Iterator[Finding]:
    import shutil

    try:
        var_dir.mkdir(parents=True, exist_ok=True)
        probe = var_dir / "doctor"
        probe.write_text("", encoding="ascii")
        probe.unlink()
    except OSError as error:
        advice = "Give this user the right to write there, or set HERALD_VAR_DIR."
        yield Finding(False, f"{var_dir} cannot be written: {error.strerror}.", advice)
        return
    free = shutil.disk_usage(var_dir).free / 1e9
    yield Finding(
        free > 1,
        f"{var_dir} can be written and has {free:.1f} GB free.",
        "Make room: below 1 GB, PostgreSQL may stop accepting messages.",
    )


def _browser_files() -> Finding:
    from app.supervisor.programs import ROOT

    if (ROOT / "static" / "vendor").is_dir():
        return Finding(True, "The browser files are there.")
    return Finding(False, "The browser files are missing.", "Run: herald assets")


def _providers(settings: Settings) -> Iterator[Finding]:
    has_mail = any(_is_real(settings, field) for field in _MAIL)
    for name, field, variables in PROVIDERS:
        if _is_real(settings, field):
            yield Finding(True, f"{name} has credentials.")
        elif has_mail and field in _MAIL:
            yield Finding(True, f"{name} is not used.")
        elif getattr(settings.sandbox, field):
            sentence = f"{name} is played by the sandbox."
            yield Finding(True, f"{sentence} Set {variables} to send for real.")
        else:
            yield Finding(True, f"{name} has no credentials. Set {variables}.")
    public = settings.public_url
    if any(_is_real(settings, field) for _, field, _ in PROVIDERS) and "127.0.0.1" in public:
        yield Finding(
            False,
            f"Links in messages would point at {public}, which nobody outside can open.",
            "Set HERALD_PUBLIC_URL to the address people and providers reach Herald at.",
        )


def _is_real(settings: Settings, field: str) -> bool:
    nothing = getattr(ProviderSettings(), field)
    return getattr(settings.providers, field) not in {nothing, getattr(settings.sandbox, field)}


def _servers(settings: Settings) -> Iterator[Finding]:
    yield from _database(settings.database_url)
    yield from _redis(settings.redis_url)


def _database(url: str) -> Iterator[Finding]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    from app import migrate

    try:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            number = int(connection.scalar(text("SHOW server_version_num")) or 0)
            revision = migrate.current(connection)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield Finding(False, f"PostgreSQL does not answer: {reason}", "Check DATABASE_URL.")
        return
    old = "Herald needs PostgreSQL 15 or later."
    yield Finding(number >= 150000, f"PostgreSQL {number // 10000} answers.", old)
    if revision == migrate.head():
        yield Finding(True, f"The database is up to date (revision {revision}).")
    else:
        sentence = f"The database is at revision {revision}, Herald at {migrate.head()}."
        yield Finding(False, sentence, "Run: herald db migrate")


def _redis(url: str) -> Iterator[Finding]:
    import redis

    client = redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)
    try:
        info = cast("dict[str, str]", client.info())
    except redis.RedisError as error:
        yield Finding(False, f"Redis does not answer: {error}", "Check REDIS_URL.")
        return
    finally:
        client.close()
    version = info.get("valkey_version") or info["redis_version"]
    policy = info["maxmemory_policy"]
    yield Finding(True, f"Redis or Valkey {version} answers.")
    yield Finding(
        policy == "noeviction",
        f"When its memory is full it follows the policy {policy}.",
        "Set maxmemory-policy to noeviction: a queue must refuse work rather than forget it.",
    )
