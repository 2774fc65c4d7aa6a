"""Settings: typed, frozen, read once from the environment; a wrong value stops the start.

Every NAME may be given as NAME_FILE, the path of a file that holds the value (for secrets).
Without DATABASE_URL or REDIS_URL the bundled servers are used (`app.embedded`); without a
provider's credentials its channel talks to the sandbox.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

EMAIL_PROVIDERS = ("sendgrid", "smtp")


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what to do."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Credentials and base addresses of the five providers: real ones, or the sandbox's."""

    email_provider: str = "sendgrid"
    email_second: str = ""  # steps in while the first fails; empty: nobody
    sendgrid_api_key: str = ""
    sendgrid_url: str = "https://api.sendgrid.com"
    sendgrid_webhook_keys: tuple[str, ...] = ()
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    twilio_webhook_tokens: tuple[str, ...] = ()  # accepted beside it: shared keys, the old token
    twilio_from: str = ""
    twilio_messaging_service_sid: str = ""
    twilio_url: str = "https://api.twilio.com"
    apns_key: str = ""
    apns_key_id: str = ""
    apns_team_id: str = ""
    apns_topic: str = ""
    apns_url: str = "https://api.push.apple.com"
    apns_sandbox_url: str = "https://api.sandbox.push.apple.com"
    fcm_service_account: str = ""
    fcm_url: str = "https://fcm.googleapis.com"
    smtp_url: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything Herald is told from outside."""

    database_url: str
    redis_url: str
    secret_key: str
    old_secret_keys: tuple[str, ...] = ()
    var_dir: Path = Path("var")
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    mail_from: str = "hello@herald.example"
    mail_from_name: str = "Herald"
    sandbox_url: str = ""
    alert_email: str = ""
    alert_webhook: str = ""
    metrics_token: str = ""
    # Calls of the API that one key may make in a minute.
    api_rate: int = 120_000
    # How many proxies in front of us may be believed about the caller's address.
    trusted_proxies: int = 0
    # Names under which this console may be asked for; empty: any.
    trusted_hosts: tuple[str, ...] = ()
    # Tries of one message before it becomes a dead letter; None: as long as its class allows.
    retry_attempts: int | None = None
    secure_cookies: bool = False
    providers: ProviderSettings = field(default_factory=ProviderSettings)
    sandbox: ProviderSettings = field(default_factory=ProviderSettings)

    def only_sandbox(self) -> bool:
        """Whether every channel talks to the sandbox: no provider's credentials were given."""
        first = self.sandbox.email_provider
        return replace(self.providers, email_provider=first, email_second="") == self.sandbox

    def queue_prefix(self) -> str:
        """Namespace of everything Herald keeps in Redis."""
        return "herald"


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsError with one sentence that names the variable."""
    env = _Environment(os.environ if environ is None else environ)
    var_dir = Path(env.text("HERALD_VAR_DIR", "var")).absolute()
    port = env.number("PORT", 8000, 1, 65535)
    host = env.text("HERALD_HOST", "127.0.0.1")
    public_url = env.text("HERALD_PUBLIC_URL", f"http://127.0.0.1:{port}").rstrip("/")
    sandbox = _sandbox(var_dir)
    return Settings(
        database_url=normalise_database_url(env.text("DATABASE_URL", "")),
        redis_url=env.text("REDIS_URL", ""),
        secret_key=env.text("HERALD_SECRET_KEY", "") or _kept_secret(var_dir),
        old_secret_keys=env.words("HERALD_OLD_SECRET_KEYS"),
        var_dir=var_dir,
        host=host,
        port=port,
        public_url=public_url,
        mail_from=env.text("MAIL_FROM", "hello@herald.example"),
        mail_from_name=env.text("MAIL_FROM_NAME", "Herald"),
        sandbox_url=env.text("SANDBOX_URL", ""),
        alert_email=env.text("ALERT_EMAIL", ""),
        alert_webhook=env.text("ALERT_WEBHOOK", ""),
        metrics_token=env.text("METRICS_TOKEN", ""),
        api_rate=env.number("HERALD_API_RATE", 120_000, 1, 100_000_000),
        trusted_proxies=env.number("HERALD_TRUSTED_PROXIES", 0, 0, 10),
        trusted_hosts=env.words("HERALD_TRUSTED_HOSTS"),
        retry_attempts=env.number("RETRY_ATTEMPTS", 0, 0, 1000) or None,
        secure_cookies=public_url.startswith("https://"),
        providers=_providers(env, sandbox),
        sandbox=sandbox,
    )


def normalise_database_url(url: str) -> str:
    """`postgres://…` and `postgresql://…` as people write them, for SQLAlchemy with psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


class _Environment:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        path = self._environ.get(f"{name}_FILE")
        if path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE: {path} cannot be read: {error}.") from error
        return self._environ.get(name, "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name, "").split(",") if word.strip())

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not value.isdigit() or not least <= int(value) <= most:
            raise SettingsError(f"{name} must be a number from {least} to {most}, not {value!r}.")
        return int(value)


def _providers(env: _Environment, sandbox: ProviderSettings) -> ProviderSettings:
    first, second = _email_providers(env)
    chosen: dict[str, Any] = {"email_provider": first, "email_second": second}
    defaults = ProviderSettings()
    for group in _GROUPS:
        real = bool(env.text(group[0].upper(), ""))
        for name in group:
            fallback = getattr(defaults if real else sandbox, name)
            if isinstance(fallback, tuple):
                chosen[name] = env.words(name.upper()) or fallback
            else:
                chosen[name] = env.text(name.upper(), fallback)
    return ProviderSettings(**chosen)


def _email_providers(env: _Environment) -> tuple[str, str]:
    """Who sends e-mail, and who steps in while that one fails (empty: nobody)."""
    given = [name for name in EMAIL_PROVIDERS if env.text(_CREDENTIALS[name], "")]
    chosen = env.words("EMAIL_PROVIDER") or tuple(given) or ("sendgrid",)
    if not set(chosen) <= set(EMAIL_PROVIDERS) or len(set(chosen)) != len(chosen):
        wrong = ",".join(chosen)
        message = "EMAIL_PROVIDER must be sendgrid, smtp, or both with a comma between them"
        raise SettingsError(f"{message}, not {wrong!r}.")
    lacking = [name for name in chosen if name not in given]
    if given and lacking:  # the sandbox would take what somebody is to read
        raise SettingsError(
            f"EMAIL_PROVIDER names {lacking[0]}, which needs {_CREDENTIALS[lacking[0]]}."
        )
    return chosen[0], chosen[1] if len(chosen) > 1 else ""


_CREDENTIALS = {"sendgrid": "SENDGRID_API_KEY", "smtp": "SMTP_URL"}
# The first name of a group decides whether a real provider is configured.
_GROUPS = (
    ("sendgrid_api_key", "sendgrid_url", "sendgrid_webhook_keys"),
    (
        "twilio_account_sid",
        "twilio_auth_token",
        "twilio_webhook_tokens",
        "twilio_from",
        "twilio_messaging_service_sid",
        "twilio_url",
    ),
    (
        "apns_key",
        "apns_key_id",
        "apns_team_id",
        "apns_topic",
        "apns_url",
        "apns_sandbox_url",
    ),
    ("fcm_service_account", "fcm_url"),
    ("smtp_url",),
)


def _sandbox(var_dir: Path) -> ProviderSettings:
    """The sandbox's own credentials, which it writes when it first starts."""
    path = var_dir / "sandbox" / "credentials.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return ProviderSettings()
    names = {name for group in _GROUPS for name in group}
    known = {name: value for name, value in raw.items() if name in names}
    for name, value in known.items():
        if isinstance(value, dict):
            known[name] = json.dumps(value)
        elif isinstance(value, list):
            known[name] = tuple(value)
    return ProviderSettings(**known)


def _kept_secret(var_dir: Path) -> str:
    """A random key, made at the first start and kept for its owner's eyes only."""
    path = var_dir / "secret"
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    var_dir.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(48)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret)
    return secret
