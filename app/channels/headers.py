"""What may stand in a mail header: nobody's data may start a header line of its own."""

from collections.abc import Iterable, Mapping

from app.channels.base import EmailMessage, EmailShell, Outcome, Result


def break_out(message: EmailMessage) -> bool:
    """True when this message's own data would start a new header line, or a new SMTP command."""
    own = (message.to, message.to_name, message.from_email, message.from_name)
    if _breaks(
        *own, message.subject, message.reply_to, *message.headers, *message.headers.values()
    ):
        return True
    shell = message.shell
    if shell is None or not _breaks(*message.substitutions.values()):
        return False
    return any(
        _breaks(value) and _in_header(shell, token)
        for token, value in message.substitutions.items()
    )


def refused() -> Result:
    """The Result for a message whose header values would break out of their line."""
    detail = "A name, subject or header holds a line break, which mail does not allow."
    return Result(Outcome.REJECTED, None, "bad_header", detail)


def tokens_in(text: str, tokens: Iterable[str]) -> tuple[str, ...]:
    """Those placeholder tokens that occur in the text, longest first."""
    found = [token for token in tokens if token in text]
    return tuple(sorted(found, key=len, reverse=True))


def substituted(text: str, tokens: Iterable[str], values: Mapping[str, str]) -> str:
    """The text with each of the tokens replaced by this recipient's value."""
    for token in tokens:
        text = text.replace(token, values.get(token, ""))
    return text


def _breaks(*values: str) -> bool:
    joined = "".join(values)
    return "\n" in joined or "\r" in joined or "\0" in joined


def _in_header(shell: EmailShell, token: str) -> bool:
    return token in shell.subject or any(token in value for value in shell.headers.values())
