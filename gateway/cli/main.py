"""The command `tillgate`: its commands and their one-line descriptions.

Law: a table and nothing else. Each command lives in a module of its own, which is imported when it
is asked for, so that `--help` and small commands are quick. Wrong use is one line and status 2.
"""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group, Parameter

from gateway.cli.screen import Screen

STARTING = Group("Start", sort_key=1)
PARTS = Group("Single parts", sort_key=2)
OPERATING = Group("Operate", sort_key=3)
WRONG_USE = 2


def application() -> App:
    """All commands."""
    app = App(
        name="tillgate",
        help="A self-hosted payment system. `tillgate demo` shows it, `tillgate up` starts it.",
        version=_version,
        default_parameter=Parameter(negative=()),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    for name, group, place, summary in (
        ("up", STARTING, "up:up", "Start everything on this machine (sandbox)."),
        ("demo", STARTING, "demo:demo", "Start everything and make one payment."),
        ("serve", PARTS, "serve:serve", "Run one gateway process."),
        ("work", PARTS, "work:work", "Run background work: webhooks, queries, expiry."),
        ("sandbox", PARTS, "sandbox:sandbox", "Run the simulators of payment channels."),
        (
            "conformance",
            PARTS,
            "conformance:conformance",
            "Show that a channel keeps the contract.",
        ),
        ("migrate", OPERATING, "migrate:migrate", "Bring the databases to the present schema."),
        ("verify", OPERATING, "verify:verify", "Recompute the books beside live traffic."),
        ("doctor", OPERATING, "doctor:doctor", "Find out what would not work, and why."),
    ):
        app.command(f"gateway.cli.{place}", name=name, group=group, help=summary)
    merchants = App(name="merchants", help="Make and list merchants.", group=OPERATING)
    merchants.command("gateway.cli.merchants:list_merchants", name="list", help="List merchants.")
    merchants.command(
        "gateway.cli.merchants:create_merchant", name="create", help="Make a merchant."
    )
    keys = App(name="keys", help="Make, list and revoke keys.", group=OPERATING)
    keys.command("gateway.cli.keys:list_keys", name="list", help="List the keys of a merchant.")
    keys.command("gateway.cli.keys:create_key", name="create", help="Make a key.")
    keys.command("gateway.cli.keys:revoke_key", name="revoke", help="Take a key's power.")
    statement = App(name="statement", help="Import bank statements.", group=OPERATING)
    statement.command(
        "gateway.cli.statements:import_statement", name="import", help="Import a bank statement."
    )
    app.command(statement)
    app.command(merchants)
    app.command(keys)
    return app


def _version() -> str:
    from gateway.telemetry.metrics import product_version

    return product_version()


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    try:
        return application()(list(arguments)) or 0
    except CycloptsError as error:
        # The parser's words name the option; `--help` is the way out.
        text = " ".join(str(error).split())
        Screen(json="--json" in arguments).fail(f"{text} See `tillgate --help`.")
        return WRONG_USE


def main() -> None:
    """The entry point."""
    sys.exit(run(sys.argv[1:]))
