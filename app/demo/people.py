"""People in twelve languages and time zones, the same ones at every installation."""

import random
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import phonenumbers

SEED: Final = 2026


@dataclass(frozen=True, slots=True)
class Land:
    """Where people live and what they are called there; `weight` is their share."""

    locale: str
    country: str
    zones: tuple[str, ...]
    weight: int
    first: tuple[str, ...]
    last: tuple[str, ...]


def _land(locale: str, country: str, zones: str, weight: int, first: str, last: str) -> Land:
    return Land(
        locale, country, tuple(zones.split()), weight, tuple(first.split()), tuple(last.split())
    )


LANDS: Final = (
    _land(
        "en-GB",
        "GB",
        "Europe/London",
        30,
        "Amara Hamish Isla Callum Freya Ruaridh Moira Finlay Eilidh Angus Skye Lewis Ailsa Tom",
        "Okafor Baird MacKay Kerr Fraser Sinclair Bruce Wallace Reid Adeyemi Patel Hughes",
    ),
    _land(
        "de-DE",
        "DE",
        "Europe/Berlin",
        14,
        "Lena Jonas Mia Felix Hannah Paul Greta Moritz Ida Emil Frieda Anton",
        "Schäfer Lindqvist Vogel Krüger Brandt Winkler Lange Böhm Jäger Roth",
    ),
    _land(
        "fr-FR",
        "FR",
        "Europe/Paris",
        10,
        "Chloé Louis Manon Hugo Camille Jules Inès Gabriel Zoé Arthur",
        "Moreau Lefèvre Garnier Dubois Rousseau Fontaine Chevalier Perrin",
    ),
    _land(
        "es-ES",
        "ES",
        "Europe/Madrid Atlantic/Canary",
        8,
        "Lucía Mateo Sofía Hugo Martina Leo Valeria Daniel Paula Álvaro",
        "García Fernández Ibáñez Núñez Castro Ortega Vidal Serrano",
    ),
    _land(
        "it-IT",
        "IT",
        "Europe/Rome",
        6,
        "Giulia Leonardo Aurora Lorenzo Alice Matteo Ginevra Andrea",
        "Rossi Bianchi Ferrari Esposito Ricci Marino Greco Conti",
    ),
    _land(
        "nl-NL",
        "NL",
        "Europe/Amsterdam",
        5,
        "Sanne Daan Fleur Bram Noor Sem Lotte Thijs",
        "Jansen Visser Bakker Smit Mulder Dekker Brouwer",
    ),
    _land(
        "pl-PL",
        "PL",
        "Europe/Warsaw",
        6,
        "Zofia Jakub Zuzanna Antoni Maja Szymon Hanna Filip",
        "Nowak Wójcik Kamiński Lewandowski Zieliński Szymański",
    ),
    _land(
        "pt-BR",
        "BR",
        "America/Sao_Paulo America/Manaus",
        6,
        "Helena Miguel Alice Arthur Laura Davi Júlia Bernardo",
        "Silva Souza Oliveira Araújo Ribeiro Gonçalves Barbosa",
    ),
    _land(
        "en-US",
        "US",
        "America/New_York America/Chicago America/Denver America/Los_Angeles",
        7,
        "Olivia Liam Emma Noah Ava Ethan Harper Mason Zoe Caleb",
        "Johnson Ramirez Nguyen Cooper Bennett Foster Hayes Rivera",
    ),
    _land(
        "ja-JP",
        "JP",
        "Asia/Tokyo",
        3,
        "葵 陽翔 さくら 蓮 美咲 大翔 結衣 湊",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本",
    ),
    _land(
        "hi-IN",
        "IN",
        "Asia/Kolkata",
        3,
        "Aarav Diya Vihaan Ananya Arjun Ishita Kabir Meera",
        "Sharma Verma Iyer Reddy Kapoor Joshi Nair",
    ),
    _land(
        "en-AU",
        "AU",
        "Australia/Sydney Australia/Perth",
        2,
        "Matilda Jack Willow Cooper Ruby Banjo",
        "Wilson Kelly Murphy Ryan Campbell",
    ),
)
PLANS: Final = ("none", "none", "none", "plus", "plus", "family")


def generate(count: int, now: datetime) -> Iterator[Mapping[str, Any]]:
    """`count` people as `audience.contacts.upsert_many` takes them."""
    chance = random.Random(SEED)
    weights = [land.weight for land in LANDS]
    for number in range(1, count + 1):
        land = chance.choices(LANDS, weights)[0]
        yield _person(number, land, chance, now)


def _person(number: int, land: Land, chance: random.Random, now: datetime) -> dict[str, Any]:
    first, last = chance.choice(land.first), chance.choice(land.last)
    joined = now - timedelta(days=chance.randint(3, 1100))
    plan = chance.choice(PLANS)
    person: dict[str, Any] = {
        "external_id": f"u-{1000 + number}",
        "first_name": first,
        "last_name": last,
        "locale": land.locale,
        "country": land.country,
        "timezone": chance.choice(land.zones),
        "attributes": {
            "plan": plan,
            "orders": chance.randint(0, 60) if plan != "none" else chance.randint(0, 9),
            "spent_90d": round(chance.expovariate(1 / 140), 2),
            "store": chance.choice(("Leith", "Perth", "Oban", "Stirling", "Online")),
            "joined_on": f"{joined:%Y-%m-%d}",
        },
        "tags": sorted(
            chance.sample(
                ("vegan", "beta", "vip", "student", "parent"), k=chance.choice((0, 0, 1, 1, 2))
            )
        ),
    }
    if chance.random() < 0.96:
        person["email"] = f"{_ascii(first)}.{_ascii(last)}{number}@example.com"
    if chance.random() < 0.55:
        person["phone"] = _phone(land.country, number)
    return person


def _ascii(name: str) -> str:
    """A name as it stands in an address: without accents; a number where no letters are left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return plain or f"p{sum(map(ord, name)) % 997}"


def _phone(country: str, number: int) -> str:
    """A mobile number that is valid in its country; the same for the same person."""
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if example is None or example.national_number is None:
        return ""
    for step in range(50):
        national = example.national_number - example.national_number % 10_000
        candidate = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=national + (number * 7 + step) % 10_000,
        )
        if phonenumbers.is_valid_number(candidate):
            return phonenumbers.format_number(candidate, phonenumbers.PhoneNumberFormat.E164)
    return ""
