"""`herald drill`: rounds of load and fault, and the comparison with the journal."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psycopg

from app.drill import disk, newsletter
from app.drill.client import Client
from app.drill.faults import DISK_FULL, FAULTS
from app.drill.house import House, running
from app.drill.load import NEWS, SERVICE, Load
from app.drill.newsletter import Newsletter
from app.drill.result import Comparison, Message, Round, compare, with_stories

# The fault begins once this share of the API's messages was accepted.
BEGIN_AT: Final = 0.1
# This share of all messages is the campaign's.
CAMPAIGN: Final = 0.3
PATIENCE: Final = 420.0
# A webhook tells what became of a message about a second after it was taken.
RECEIPT_SECONDS: Final = 8.0
# Room for the database itself, and for each message with its log.
_DISK_MB, _MESSAGES_PER_MB = 384, 40
_OPEN: Final = (
    "select count(*) from notification where status in ('queued', 'held', 'sending', 'unknown')"
)
_TOPIC: Final = "insert into topic (key, name, klass) values (%s, %s, %s)"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `fault` is a key of FAULTS; a broken round is kept below `keep`."""

    fault: str
    messages: int
    rounds: int
    keep: Path | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A round, and the messages that broke a promise in it."""

    round: Round
    wrong: list[Message]


def drill(plan: Plan, say: Say) -> Iterator[Finding]:
    """Run the rounds in one installation of its own; answers each as it ends.

    `say` is told in a sentence what is going on. Raises CannotRunError when the installation does
    not start or the fault needs rights that are not there, ServerError when it does not come back.
    """
    full = plan.fault == DISK_FULL
    if full:
        disk.check()
    say("Starting a Herald of its own.")
    size = _DISK_MB + plan.messages * plan.rounds // _MESSAGES_PER_MB
    with running(size if full else 0) as house:
        people = max(1, round(plan.messages * CAMPAIGN))
        segment = _prepare(house, people, keep_small=full)
        client = Client(house.facts["web_url"], house.key())
        try:
            for number in range(1, plan.rounds + 1):
                load = Load(client, plan.messages - people)
                campaign = Newsletter(house, client, segment, people)
                told = partial(_say_of, say, f"Round {number} of {plan.rounds}")
                finding = _round(house, plan.fault, load, campaign, told)
                if plan.keep and not finding.round.kept:
                    _keep(house, plan.keep / f"{plan.fault}-{number}", finding)
                yield finding
        finally:
            client.over.set()


def _say_of(say: Say, place: str, text: str) -> None:
    say(f"{place}: {text}")


def _prepare(house: House, people: int, *, keep_small: bool) -> str:
    """Topics, and people for the campaigns; answers the id of their segment."""
    with house.database() as connection:
        connection.execute(_TOPIC, (SERVICE, "Drill", "transactional"))
        connection.execute(_TOPIC, (NEWS, "Drill news", "marketing"))
        if keep_small:  # else the write-ahead log alone grows to 2 GB between two checkpoints
            connection.execute("alter system set max_wal_size = '96MB'")
            connection.execute("alter system set min_wal_size = '32MB'")
            connection.execute("select pg_reload_conf()")
    return newsletter.invite(house, people)


def _round(house: House, fault: str, load: Load, campaign: Newsletter, say: Say) -> Finding:
    say("sending begins.")
    house.calm()
    load.start()
    campaign.start()
    load.wait_for(BEGIN_AT)
    say(f"{fault} begins.")
    in_air = FAULTS[fault](house)
    ended = time.monotonic()
    say("the fault is over, waiting until all is quiet.")
    load.wait()
    of_campaign = campaign.accepted()
    recovered = _settled(house, ended)
    accepted = load.accepted + of_campaign
    found = _told(house, accepted)
    result = Round(
        fault=fault,
        accepted=len(accepted),
        handed_over=len(accepted) - found.lost,
        lost=found.lost + max(0, campaign.people - len(of_campaign)),
        doubled=found.doubled + max(0, len(of_campaign) - campaign.people),
        unknown=found.unknown,
        in_air_at_kills=in_air.taken,
        unexplained=found.unexplained(in_air.unanswered),
        recovered_s=round(recovered, 1),
        campaign=len(of_campaign),
        delivered=found.delivered,
        waiting=found.waiting,
    )
    return Finding(result, found.wrong())


def _settled(house: House, since: float) -> float:
    """Seconds from `since` until no message waits any more; gives up after PATIENCE."""
    while time.monotonic() - since < PATIENCE:
        if _open(house) == 0:
            break
        time.sleep(0.5)
    return time.monotonic() - since


def _told(house: House, accepted: list[str]) -> Comparison:
    """The comparison, when the webhooks of the last messages have come too."""
    end = time.monotonic() + RECEIPT_SECONDS
    while True:
        found = compare(house, accepted)
        if found.delivered == len(accepted) or time.monotonic() > end:
            return found
        time.sleep(1)


def _open(house: House) -> int:
    try:
        with house.database() as connection:
            row = connection.execute(_OPEN).fetchone()
        return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return -1  # it is being started again


def _keep(house: House, folder: Path, finding: Finding) -> None:
    house.keep(folder)
    wrong = with_stories(house, finding.wrong)
    report = {"round": asdict(finding.round), "wrong": [asdict(one) for one in wrong]}
    (folder / "broken.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
