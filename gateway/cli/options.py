"""Options that commands share: one spelling, one help text, one meaning everywhere.

Law: an option's attribute is named like the setting it sets (`gateway/config.py`), its default is
None ("not given"), and nothing is decided here: `settings_of` puts flags, environment and file
together. Options that are no settings (`json`, `config`) are left out of the settings.
"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from gateway import config

WHERE = Group("Installation", sort_key=10)
PORTS = Group("Ports", sort_key=20)
RUNNING = Group("Running", sort_key=30)
OUTPUT = Group("Output", sort_key=90)


def option(help: str, *, name: str | None = None, group: Group = RUNNING) -> Parameter:
    """How an option is spelt and explained."""
    return Parameter(name=name, help=help, group=group, negative=(), show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every command takes."""

    data: Annotated[
        Path | None,
        option(
            "Data folder (root: /var/lib/tillgate, others: ~/.local/share/tillgate).",
            group=WHERE,
        ),
    ] = None
    database_urls: Annotated[
        list[str] | None,
        option(
            "A Postgres of your own, postgresql://user@host/database; once for each shard, the "
            "first also holds the directory. Without it Postgres is embedded in the data folder.",
            name="--database-url",
            group=WHERE,
        ),
    ] = None
    kek_file: Annotated[
        Path | None,
        option("File with the key-encryption keys (or TILLGATE_KEK).", group=WHERE),
    ] = None
    config: Annotated[
        Path | None,
        option("TOML file with settings, named like TILLGATE_* in lower case.", group=WHERE),
    ] = None
    json: Annotated[bool, option("Results as JSON, for programs.", group=OUTPUT)] = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """How much a running process tells."""

    log_level: Annotated[
        config.LogLevel | None, option("What is logged at least.", group=OUTPUT)
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """How the world finds us, and we it."""

    public_url: Annotated[
        str | None, option("Where channels call us, without a slash at the end.", group=RUNNING)
    ] = None
    redis_url: Annotated[
        str | None, option("Redis shared by several instances.", group=RUNNING)
    ] = None
    audit_dir: Annotated[
        Path | None,
        option("Second place for signed heads of the audit chain (not there yet).", group=RUNNING),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DoorOptions(ChannelOptions):
    """Of what takes requests."""

    trusted_proxies: Annotated[
        str | None,
        option("Networks whose word about client addresses is believed, CIDR,CIDR.", group=RUNNING),
    ] = None
    limits: Annotated[
        bool | None, option("Rate limits also in sandbox mode (not there yet).", group=RUNNING)
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpOptions(CommonOptions, DoorOptions, LogOptions):
    """Of `up` and `demo`."""

    port: Annotated[
        int | None, option("Port of the API; 0: any free ports for all (8080).", group=PORTS)
    ] = None
    metrics_port: Annotated[int | None, option("Port of the metrics (8081).", group=PORTS)] = None
    sandbox_port: Annotated[int | None, option("Port of the simulators (8082).", group=PORTS)] = (
        None
    )
    shards: Annotated[
        int | None, option("Databases in the embedded Postgres; chosen once.", group=WHERE)
    ] = None
    workers: Annotated[
        int | None, option("Gateway processes (half of the processors).", group=RUNNING)
    ] = None
    ready_file: Annotated[
        Path | None, option("File to write, with addresses and keys, when all serves.")
    ] = None


def flags_of(options: CommonOptions) -> dict[str, object]:
    """The options that were given, by the names of their settings."""
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if name in config.NAMES and value is not None
    }


def configuration_of(options: CommonOptions, **more: object) -> config.Configuration:
    """Flags (and `more` of them), environment and file together. Raises `ConfigError`."""
    return config.load({**flags_of(options), **more}, environment=os.environ, file=options.config)


def settings_of(options: CommonOptions, **more: object) -> config.Settings:
    """The settings of a command. Raises `ConfigError`."""
    return configuration_of(options, **more).settings
