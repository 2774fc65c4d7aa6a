"""Run the sandbox: `python -m app.sandbox.serve --port 8025 --smtp-port 8026 ...`.

One port speaks HTTP/1.1 and HTTP/2 with prior knowledge, the other SMTP. SIGTERM stops both.
"""

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from typing import Final

from app.sandbox import credentials
from app.sandbox.events.settings import from_environment
from app.sandbox.house import Config, open_doors

_SWITCH_S: Final = 0.0005


def main(
    host: str, port: int, smtp_port: int, var_dir: str, callback_url: str, gate_port: int = 0
) -> None:
    """Serve until SIGTERM or SIGINT. Credentials are on disk before the ports are open.

    `callback_url` is Herald's base address; `gate_port` 0 takes any free port.
    """
    config = Config(
        host,
        port,
        smtp_port,
        var_dir,
        callback_url.rstrip("/"),
        gate_port or _free_port(host),
    )
    from_environment(os.environ)  # a mistake in it is told before anything is served
    keys = credentials.load_keys(config.folder)
    credentials.publish(config.folder, keys, config.url, config.gate_url, smtp_port)
    asyncio.run(_serve(config))


async def _serve(config: Config) -> None:
    told = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, told.set)
    await open_doors(config)
    # Much is kept here and nearly nothing of it is cyclic: it need not be looked through often.
    gc.freeze()
    # Every call of a socket's lets go of the interpreter; while events are made it is not to be
    # waited for long.
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(20_000, 50, 100)
    await told.wait()


def _free_port(host: str) -> int:
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="A stand-in for SendGrid, Twilio, APNs, FCM and an SMTP relay."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8025)
    parser.add_argument("--smtp-port", type=int, default=8026)
    parser.add_argument("--var-dir", default="var")
    parser.add_argument(
        "--callback-url", default="http://127.0.0.1:8000", help="Herald's address, for webhooks"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    chosen = _arguments(sys.argv[1:])
    main(chosen.host, chosen.port, chosen.smtp_port, chosen.var_dir, chosen.callback_url)
