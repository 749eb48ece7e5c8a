"""Roles: who may do what in our databases.

Law: a running system works as `tillgate_app`, which owns nothing; whoever only looks is in
`tillgate_read`. Neither can log in. One login of the installation's own is in `tillgate_read` and
nothing else; its password reaches the server only as a SCRAM verifier, so no log can hold it.
Roles belong to a whole cluster: present ones are taken as they are.
Source: RFC 5802 and RFC 7677 (SCRAM-SHA-256), the form of `pg_authid.rolpassword`.
"""

import base64
import hashlib
import hmac
import os
from typing import NamedTuple

import asyncpg

from gateway.adapters.postgres.migration_steps import MigrationRefused, Report
from gateway.adapters.postgres.statements import load

SQL = load(__file__.replace("roles", "migrate"))

APP = "tillgate_app"
READ = "tillgate_read"
READER_PREFIX = "tillgate_reader_"
SCRAM_ROUNDS = 4096
SCRAM_SALT_BYTES = 16
READER_PASSWORD_BYTES = 32

_GROUP_TEXTS = {
    APP: ("create role tillgate_app nologin", "grant tillgate_app to current_user"),
    READ: ("create role tillgate_read nologin", "grant tillgate_read to current_user"),
}
_EXISTS = (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError)


class ReaderLogin(NamedTuple):
    """A login that may only read. Its representation has no password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"ReaderLogin({self.user})"


async def make_roles(connection: asyncpg.Connection, *, where: str, report: Report) -> None:
    """Make the two roles where they are absent, and let this login take them on.

    To be called inside a transaction. Raises `MigrationRefused`, with the statements that a
    superuser has to run.
    """
    for role in await connection.fetch(SQL["roles"].text, list(_GROUP_TEXTS)):
        create, admit = _GROUP_TEXTS[role["name"]]
        try:
            if not role["present"] and await _made(connection, create):
                report(f"{where}: made the role {role['name']}")
            if not role["may_be_taken"]:
                await _made(connection, admit)
        except asyncpg.InsufficientPrivilegeError:
            login = await connection.fetchval("select quote_ident(current_user)")
            raise MigrationRefused(
                f"{where}: this login may not make roles or give them to itself. Let a superuser "
                f"run: create role {APP} nologin; create role {READ} nologin; "
                f"grant {APP}, {READ} to {login};"
            ) from None


async def make_reader(
    connection: asyncpg.Connection, reader: ReaderLogin, *, where: str, report: Report
) -> bool:
    """Make the reading login where it is absent; whether it is there now.

    To be called inside a transaction. A login without the right to make roles goes without: that
    is no fault.
    """
    found = await connection.fetchrow(SQL["roles"].text, [reader.user])
    if found["present"]:
        return True
    texts = await connection.fetchrow(
        SQL["role_texts"].text, reader.user, scram_verifier(reader.password)
    )
    try:
        if not await _made(connection, f"{texts['make']}; {texts['admit']}"):
            return True
    except asyncpg.InsufficientPrivilegeError:
        report(f"{where}: no login for reading was made, this one may not make roles")
        return False
    report(f"{where}: made the login {reader.user}, which may only read")
    return True


async def _made(connection: asyncpg.Connection, text: str) -> bool:
    """Run it; False if it was done already: by a runner on another database of the cluster."""
    try:
        async with connection.transaction():
            await connection.execute(text)
    except _EXISTS:
        return False
    return True


def new_reader_password() -> str:
    """A random password of ASCII letters and digits, `-` and `_`."""
    return base64.urlsafe_b64encode(os.urandom(READER_PASSWORD_BYTES)).rstrip(b"=").decode()


def scram_verifier(password: str) -> str:
    """What Postgres stores of an ASCII password: enough to check it, not to log in with it."""
    salt = os.urandom(SCRAM_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, SCRAM_ROUNDS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = base64.b64encode(hashlib.sha256(client_key).digest()).decode()
    server = base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode()
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{base64.b64encode(salt).decode()}${stored}:{server}"
