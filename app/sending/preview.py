"""What a person would be sent, without sending: for previews in the console and the API.

The variables are those of a real send, and so is the rendering; only nothing is counted.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.audience.models import Contact
from app.content.compile import CompiledVersion
from app.content.render import Rendered, RenderedEmail, RenderRow, render_batch
from app.sending.facts import PERSON_FIELDS, variables

# Links of a preview lead to these instead of a person's own pages.
UNSUBSCRIBE_PATH: Final = "/u/preview"
PREFERENCES_PATH: Final = "/p/preview"


def as_person(
    contact: Contact | None, data: Mapping[str, Any], campaign: str | None = None
) -> dict[str, Any]:
    """What a template may name when it is sent to this person with this data."""
    person: dict[str, Any] = {field: getattr(contact, field, None) for field in PERSON_FIELDS}
    person["attributes"] = contact.attributes if contact else {}
    person["tags"] = contact.tags if contact else []
    return variables(person, campaign, data)


def render(
    version: CompiledVersion,
    channel: str,
    people: Sequence[Mapping[str, Any]],
    public_url: str,
) -> list[Rendered]:
    """One result per person (as made by `as_person`), e-mails whole."""
    rows = [
        RenderRow(
            values,
            unsubscribe_url=public_url + UNSUBSCRIBE_PATH,
            preferences_url=public_url + PREFERENCES_PATH,
        )
        for values in people
    ]
    found = render_batch(version, channel, rows)
    return [item.whole() if isinstance(item, RenderedEmail) else item for item in found]
