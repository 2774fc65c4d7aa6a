"""What may stand in a mail header: nobody's data may start a header line of its own."""

from collections.abc import Iterable, Mapping

from app.channels.base import EmailMessage, EmailShell, Outcome, Result


class Inspector:
    """Looks at the messages of one send; what they share is looked at once."""

    def __init__(self) -> None:
        self._in_headers: dict[int, tuple[str, ...]] = {}

    def break_out(self, message: EmailMessage) -> bool:
        """True when this message's data would start a new header line, or a new SMTP command."""
        shell = message.shell
        values = [message.to, message.to_name, message.from_email, message.from_name,
                  message.subject, message.reply_to]  # fmt: skip
        for header in message.headers.items():
            values += header
        if shell is not None:
            given = message.substitutions
            values += [given[name] for name in self._tokens(shell, message)]
        joined = "".join(values)
        return "\n" in joined or "\r" in joined or "\0" in joined

    def _tokens(self, shell: EmailShell, message: EmailMessage) -> tuple[str, ...]:
        """The tokens that stand in the shell's subject or headers."""
        found = self._in_headers.get(id(shell))
        if found is None:
            together = "\n".join((shell.subject, *shell.headers.values()))
            found = tokens_in(together, message.substitutions)
            self._in_headers[id(shell)] = found
        return found


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
