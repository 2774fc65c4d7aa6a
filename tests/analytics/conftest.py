"""A world with topics, content and messages."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from tests.support import messages
from tests.support.messages import World


@pytest.fixture
def world(session: Session, now: datetime) -> World:
    """Uncommitted rows in this test's session."""
    return messages.world(session, now)
