"""A CSV file of generated people as a newcomer would bring one: twelve locales, some rows wrong."""

import csv
import random
from pathlib import Path

LOCALES = (
    ("en-GB", "GB", "Europe/London"),
    ("de-DE", "DE", "Europe/Berlin"),
    ("fr-FR", "FR", "Europe/Paris"),
    ("es-ES", "ES", "Europe/Madrid"),
    ("it-IT", "IT", "Europe/Rome"),
    ("nl-NL", "NL", "Europe/Amsterdam"),
    ("pl-PL", "PL", "Europe/Warsaw"),
    ("pt-BR", "BR", "America/Sao_Paulo"),
    ("en-US", "US", "America/New_York"),
    ("ja-JP", "JP", "Asia/Tokyo"),
    ("hi-IN", "IN", "Asia/Kolkata"),
    ("en-AU", "AU", "Australia/Sydney"),
)
HEADER = ("external_id", "email", "phone", "first_name", "last_name", "locale", "country",
          "timezone", "attributes.plan")  # fmt: skip


def write(path: Path, people: int, wrong: int) -> None:
    """`people` rows, of which the last `wrong` have an address that cannot be one."""
    chance = random.Random(people)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for number in range(people):
            locale, country, zone = chance.choice(LOCALES)
            broken = number >= people - wrong
            email = f"broken{number}@@example" if broken else f"person{number}@example.com"
            phone = f"+4474001{number:05d}" if country == "GB" and number < 100_000 else ""
            rows.writerow(
                (
                    f"p-{number}",
                    email,
                    phone,
                    f"Ada{number}",
                    "Müller",
                    locale,
                    country,
                    zone,
                    chance.choice(("plus", "none")),
                )
            )
