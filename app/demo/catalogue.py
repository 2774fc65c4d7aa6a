"""Topics, segments and the plan of past campaigns of the invented grocer Juniper Market."""

from dataclasses import dataclass
from typing import Any, Final

# key, name, class, description, opted in by default
TOPICS: Final = (
    (
        "security",
        "Security",
        "security",
        "Codes, sign-ins from new devices, password changes.",
        True,
    ),
    ("service", "Service", "transactional", "Outages, delays and changes that concern you.", True),
    ("orders", "Orders", "transactional", "Confirmations, delivery times and receipts.", True),
    ("offers", "Offers", "marketing", "Discounts and early access, about twice a week.", True),
    ("newsletter", "Newsletter", "marketing", "Recipes and news from the farms, monthly.", True),
)

# name, description, rule
SEGMENTS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("Everyone", "All people.", {"all": []}),
    (
        "Juniper Plus members",
        "People with the Plus or the family plan.",
        {
            "any": [
                {"field": "attributes.plan", "op": "is", "value": "plus"},
                {"field": "attributes.plan", "op": "is", "value": "family"},
            ]
        },
    ),
    (
        "Big spenders without Plus",
        "£200 or more in 90 days, and no plan yet.",
        {
            "all": [
                {"field": "attributes.spent_90d", "op": "at_least", "value": 200},
                {"field": "attributes.plan", "op": "is", "value": "none"},
            ]
        },
    ),
    (
        "Scotland and England",
        "People in the United Kingdom.",
        {"all": [{"field": "country", "op": "is", "value": "GB"}]},
    ),
    (
        "App users",
        "People with the app on a phone.",
        {
            "any": [
                {"field": "device", "op": "has", "platform": "ios"},
                {"field": "device", "op": "has", "platform": "android"},
            ]
        },
    ),
    (
        "German speakers",
        "People who read German.",
        {"all": [{"field": "language", "op": "is", "value": "de"}]},
    ),
)


@dataclass(frozen=True, slots=True)
class Past:
    """A campaign that has been: how long ago, to whom, how well it was read."""

    name: str
    days_ago: float
    topic: str
    template: str
    segment: str
    channels: tuple[str, ...]
    opened: float
    clicked: float


PAST: Final = (
    Past("Summer barbecue box", 84, "offers", "offer", "Everyone", ("email",), 0.38, 0.061),
    Past(
        "September newsletter", 70, "newsletter", "newsletter", "Everyone", ("email",), 0.42, 0.072
    ),
    Past(
        "App 6.0: lists that plan themselves",
        62,
        "offers",
        "app-update",
        "App users",
        ("ios", "android"),
        0.0,
        0.081,
    ),
    Past(
        "Plus: free delivery week",
        51,
        "offers",
        "offer",
        "Juniper Plus members",
        ("email", "ios", "android"),
        0.47,
        0.094,
    ),
    Past("October newsletter", 40, "newsletter", "newsletter", "Everyone", ("email",), 0.41, 0.068),
    Past("Herbst-Angebote", 33, "offers", "offer", "German speakers", ("email",), 0.36, 0.052),
    Past(
        "Delivery delays after the storm",
        26,
        "service",
        "delay",
        "Scotland and England",
        ("sms",),
        0.0,
        0.0,
    ),
    Past(
        "Try Plus for a month",
        19,
        "offers",
        "offer",
        "Big spenders without Plus",
        ("email", "sms"),
        0.44,
        0.101,
    ),
    Past("Halloween pumpkins", 23, "offers", "offer", "Everyone", ("email",), 0.35, 0.048),
    Past(
        "App 6.2: scan to reorder",
        11,
        "offers",
        "app-update",
        "App users",
        ("ios", "android"),
        0.0,
        0.079,
    ),
    Past("November newsletter", 5, "newsletter", "newsletter", "Everyone", ("email",), 0.41, 0.068),
    Past(
        "Winter veg box launch",
        1.2,
        "offers",
        "offer",
        "Everyone",
        ("email", "ios", "android"),
        0.33,
        0.055,
    ),
)
