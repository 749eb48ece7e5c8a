"""`tillgate merchants`: make and list merchants.

Law: the operations are those of the administration (`administration.py`); here they only get words.
"""

from collections.abc import Sequence
from typing import Annotated

from gateway.center.onboard import TIMEZONE_DEFAULT
from gateway.cli.administration import open_administration
from gateway.cli.databases import reached
from gateway.cli.options import RUNNING, CommonOptions, option, settings_of
from gateway.cli.run import run
from gateway.cli.screen import Screen
from gateway.domain.merchant import Merchant
from gateway.domain.registration import view_merchant

ACTOR = "cli:merchants"
LIMIT_MAX = 1000


def list_merchants(
    *,
    limit: Annotated[int, option("At most so many, newest first.", group=RUNNING)] = 100,
    options: CommonOptions = CommonOptions(),
) -> int:
    """List merchants, newest first."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            found = await administration.core.onboard.merchants(
                before=None, limit=max(1, min(limit, LIMIT_MAX))
            )
        _show(screen, found)
        return 0

    return run(body, screen=screen)


def create_merchant(
    name: str,
    /,
    *,
    timezone: Annotated[
        str, option("IANA time zone of its business days.", group=RUNNING)
    ] = TIMEZONE_DEFAULT,
    ref: Annotated[
        str | None,
        option("Your own number: used again, it answers the same merchant.", group=RUNNING),
    ] = None,
    options: CommonOptions = CommonOptions(),
) -> int:
    """Make a merchant. `NAME` is what operators call it."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            made = await administration.create_merchant(name, timezone=timezone, ref=ref)
        screen.give(view_merchant(made))
        screen.show(f"{made.id}  {made.name}")
        screen.say("Next: tillgate keys create MERCHANT_ID")
        return 0

    return run(body, screen=screen)


def _show(screen: Screen, merchants: Sequence[Merchant]) -> None:
    screen.give({"data": [view_merchant(each) for each in merchants]})
    screen.table(
        "id",
        "name",
        "status",
        "created",
        rows=[
            (
                each.id,
                f"{each.name} (the house)" if each.house else each.name,
                each.status,
                f"{each.created_at:%Y-%m-%d %H:%M}",
            )
            for each in merchants
        ],
    )
