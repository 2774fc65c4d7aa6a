"""The composer's frame: its steps, what is saved, who was faster, and where a campaign opens."""

from typing import Any, Final

from flask import Response, render_template, request
from flask_login import current_user
from sqlalchemy.orm import Session

from app import ids
from app.accounts import members, workspace
from app.campaigns import checks, content, lifecycle
from app.campaigns.drafts import EditedElsewhere
from app.campaigns.models import Campaign
from app.console import access, forms, pages, words
from app.console.campaign_words import shown_status
from app.errors import Invalid, NotFound

STEPS: Final = (
    ("audience", "Audience"),
    ("content", "Content"),
    ("schedule", "Schedule"),
    ("review", "Review"),
)
# Shown in the composer; everything later has a report.
COMPOSED: Final = ("draft", "scheduled")


def home(public_id: str) -> str:
    """The campaign's own address: its report, or for a draft the way into the composer."""
    return f"/campaigns/{public_id}"


def step_url(public_id: str, step: str) -> str:
    """`audience`, `content`, `content/email`, `schedule` or `review`."""
    return f"{home(public_id)}/{step}"


def first_step(session: Session, campaign: Campaign) -> str | None:
    """Where a campaign without a report opens: its first unfinished step, else the review.

    None for a campaign that was launched: it has a report. Who may not edit gets the review.
    """
    if campaign.status not in COMPOSED:
        return None
    public_id = ids.encode("cmp", campaign.id)
    if campaign.status != "draft" or not access.may("campaigns.edit"):
        return step_url(public_id, "review")
    return step_url(public_id, checks.unfinished(session, campaign) or "review")


def find(session: Session, public_id: str) -> Campaign:
    """The campaign of an address. Raises NotFound."""
    return lifecycle.by_public_id(session, public_id)


def elsewhere(campaign: Campaign) -> Response | None:
    """For editing steps: the way to the page of a campaign that is no draft any more."""
    if campaign.status == "draft":
        return None
    return pages.go(home(ids.encode("cmp", campaign.id)))


def seen() -> int | None:
    """The revision that the form in the page began from."""
    typed = forms.text("revision")
    return int(typed) if typed.isdigit() and len(typed) < 10 else None


def frame(session: Session, campaign: Campaign, step: str) -> dict[str, Any]:
    """What every step's template wants: names, steps, save state, channels to test."""
    public_id = ids.encode("cmp", campaign.id)
    gap = checks.unfinished(session, campaign)
    order = [name for name, _ in STEPS]
    here = order.index(step)
    steps = [
        {
            "label": label,
            "href": step_url(public_id, name),
            "current": name == step,
            "done": place < here and name != gap,
        }
        for place, (name, label) in enumerate(STEPS)
    ]
    version = content.version_of(session, campaign)
    written = version.content if version else {}
    return {
        "campaign": campaign,
        "shown_status": shown_status(campaign),
        "public_id": public_id,
        "step": step,
        "steps": steps,
        "next": step_url(public_id, order[min(here + 1, 3)]),
        "may_edit": access.may("campaigns.edit") and campaign.status == "draft",
        "testable": [channel for channel in campaign.channels if written.get(channel)],
        "member_email": current_user.email,
        "test_options": [(c, words.channel(c).label) for c in campaign.channels if written.get(c)],
        "workspace": workspace.get(session),
    }


def saved(campaign: Campaign, template: str, **context: Any) -> Response:
    """The answer to an autosave: the save state, and out of band what else changed."""
    public_id = ids.encode("cmp", campaign.id)
    return pages.page(template, campaign=campaign, public_id=public_id, **context)


def conflict(session: Session, public_id: str, refused: EditedElsewhere) -> Response:
    """409: whose version came in between, and the ways on. Nothing was overwritten."""
    who = members.names(session, {refused.by}).get(refused.by) if refused.by else None
    same = refused.by == current_user.id
    return _refusal(
        "campaigns/_conflict.html",
        409,
        who="You, in another window," if same else who or "Somebody else",
        at=refused.at,
        public_id=public_id,
        again=home(public_id) + "/" + (forms.text("step") or "audience"),
    )


def invalid(refused: Invalid) -> Response:
    """422: what is wrong with what was typed; it stays in the fields.

    An autosave does not take the focus away from the field that is being typed in.
    """
    asked = not request.path.rpartition("/")[2].startswith("_")
    return _refusal("campaigns/_invalid.html", 422, errors=refused.by_field(), asked=asked)


def _refusal(template: str, status: int, **context: Any) -> Response:
    response = Response(render_template(template, **context), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["HX-Retarget"] = "#refusal"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def must_be_fragment() -> None:
    """Fragments that are POSTed have no page of their own. Raises NotFound."""
    if "HX-Request" not in request.headers:
        raise NotFound("This is a part of a page and cannot be opened alone.")
