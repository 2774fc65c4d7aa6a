"""The workspace's limits, as the policy wants them."""

from datetime import time

from sqlalchemy.orm import Session

from app.accounts import workspace
from app.policy.facts import Cap, QuietHours, Rules


def current(session: Session) -> Rules:
    """Cap, quiet hours and zone as they are now."""
    settings = workspace.get(session)
    cap = settings.cap
    quiet = settings.quiet_hours
    return Rules(
        zone=settings.timezone,
        cap=Cap(cap.messages, cap.days, cap.when_full) if cap else None,
        quiet_hours=QuietHours(_minutes(quiet[0]), _minutes(quiet[1])) if quiet else None,
    )


def _minutes(wall: str) -> int:
    parsed = time.fromisoformat(wall)
    return parsed.hour * 60 + parsed.minute
