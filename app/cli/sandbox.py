"""`herald sandbox`: stand-ins for SendGrid, SMTP, Twilio, APNs and FCM."""

import click

from app.cli.running import become


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8025, show_default=True, help="HTTP port (1.1 and 2).")
@click.option("--smtp-port", default=8026, show_default=True, help="SMTP port.")
def sandbox(host: str, port: int, smtp_port: int) -> None:
    """Run the sandbox, which plays the providers.

    Nothing leaves this machine. It speaks their wire, checks requests as they do, keeps a journal
    in var/sandbox and reports back to the console as they would. Herald finds it by the
    credentials.json that it writes there.
    """
    from app.settings import load
    from app.supervisor.programs import ROOT, sandbox_command

    settings = load()
    callback_url = f"http://127.0.0.1:{settings.port}"
    become(sandbox_command(settings.var_dir, host, port, smtp_port, callback_url), ROOT, alone=True)
