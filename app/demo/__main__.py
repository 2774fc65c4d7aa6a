"""`python -m app.demo`: make the demo data once, and leave passwords and keys in var/demo.json."""

import json
import sys

from app import clock, log, settings
from app.core import create_core
from app.demo import load
from app.servers.private import write_private


def main() -> int:
    """0 when it was made."""
    found = settings.load()
    log.configure("WARNING")
    app = create_core(found)
    with app.app_context():
        try:
            made = load.load(found, clock.now())
        except load.RealProviders as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    write_private(found.var_dir / "demo.json", json.dumps(made, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
