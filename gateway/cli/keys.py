"""`tillgate keys`: make, list and revoke the keys with which merchants sign.

Law: a secret that is made here is printed once, by the command that made it, and never again. A
key of the house has the scopes of the administration, every other one those of a merchant.
"""

from pathlib import Path
from typing import Annotated, Literal

from gateway.cli.administration import Administration, open_administration
from gateway.cli.databases import reached
from gateway.cli.faults import WRONG_USE, CommandFailed
from gateway.cli.options import RUNNING, CommonOptions, option, settings_of
from gateway.cli.run import run
from gateway.cli.screen import Screen
from gateway.domain import ids
from gateway.domain.access import HOUSE_SCOPES, MERCHANT_SCOPES
from gateway.domain.merchant import Key
from gateway.domain.registration import PEM_CHARS_MAX, secret_text, view_key

ACTOR = "cli:keys"
HOUSE = "house"
LIMIT_MAX = 1000

Algorithm = Literal["hmac-sha256", "ed25519", "rsa2048"]


def list_keys(
    merchant_id: str,
    /,
    *,
    limit: Annotated[int, option("At most so many, newest first.", group=RUNNING)] = 100,
    options: CommonOptions = CommonOptions(),
) -> int:
    """List the keys of a merchant, newest first. `house` names the administrators' merchant."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            owner = _owner(administration, merchant_id)
            found = await administration.core.onboard.keys_of(
                owner, before=None, limit=max(1, min(limit, LIMIT_MAX))
            )
        screen.give({"data": [view_key(each) for each in found]})
        screen.table(
            "id",
            "algorithm",
            "status",
            "scopes",
            rows=[
                (each.id, each.algorithm, each.status, " ".join(sorted(each.scopes)))
                for each in found
            ],
        )
        return 0

    return run(body, screen=screen)


def create_key(
    merchant_id: str,
    /,
    *,
    algorithm: Annotated[Algorithm, option("How it signs.", group=RUNNING)] = "hmac-sha256",
    public_key: Annotated[
        Path | None, option("PEM file with the public key (ed25519, rsa2048).", group=RUNNING)
    ] = None,
    scope: Annotated[
        list[str] | None, option("What it may do; repeatable (all).", group=RUNNING)
    ] = None,
    ip_allow: Annotated[
        list[str] | None, option("From where, CIDR; repeatable (anywhere).", group=RUNNING)
    ] = None,
    ref: Annotated[
        str | None, option("Your own number: used again, it answers the same key.", group=RUNNING)
    ] = None,
    options: CommonOptions = CommonOptions(),
) -> int:
    """Make a key of a merchant (or of the `house`); a generated secret is shown once."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            owner = _owner(administration, merchant_id)
            is_house = owner == administration.core.directory.house_id
            made, is_new = await administration.create_key(
                owner,
                algorithm=algorithm,
                public_key=None if public_key is None else _pem(public_key),
                scopes=scope or sorted(HOUSE_SCOPES if is_house else MERCHANT_SCOPES),
                ip_allow=ip_allow or (),
                ref=ref,
            )
        _show_made(screen, made, is_new=is_new)
        return 0

    return run(body, screen=screen)


def revoke_key(key_id: str, /, *, options: CommonOptions = CommonOptions()) -> int:
    """Take a key's power, for good; effective everywhere within seconds."""
    screen = Screen(json=options.json)

    async def body(_: object) -> int:
        async with (
            reached(settings_of(options)) as settings,
            open_administration(settings, actor=ACTOR) as administration,
        ):
            key = await administration.revoke_key(_checked(key_id, "key"))
        screen.give(view_key(key))
        screen.show(f"{key.id} is revoked.")
        return 0

    return run(body, screen=screen)


def _show_made(screen: Screen, key: Key, *, is_new: bool) -> None:
    shows_secret = is_new and key.algorithm == "hmac-sha256"
    screen.give({**view_key(key), "secret": secret_text(key) if shows_secret else None})
    screen.show(f"key     {key.id}")
    if shows_secret:
        screen.show(f"secret  {secret_text(key)}")
        screen.say("The secret is shown this once: keep it where your program finds it.")


def _owner(administration: Administration, merchant_id: str) -> str:
    if merchant_id == HOUSE:
        return administration.core.directory.house_id
    return _checked(merchant_id, "mch")


def _checked(text: str, prefix: str) -> str:
    """An id of a kind, else CommandFailed."""
    found = ids.parse(prefix, text)
    if found is None:
        raise CommandFailed(f"{text!r} is no id of the form {prefix}_….", status=WRONG_USE)
    return found


def _pem(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")[: PEM_CHARS_MAX + 1]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not PEM"
        raise CommandFailed(f"The public key {file} cannot be read: {reason}.") from None
