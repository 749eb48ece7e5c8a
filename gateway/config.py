"""Settings: what an operator may choose, where each value came from, and how it is shown.

Law: one table of settings (`Settings`), read by the wiring and the command line only. A value comes
from a flag, else the environment (`TILLGATE_<NAME>`), else the TOML file, else the default; a name
that does not exist is an error that suggests the right one, never ignored. Passwords inside URLs
are not shown. Key-encryption keys are no settings: they have readers of their own
(`adapters/system/root_keys.py`).
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

PREFIX = "TILLGATE_"
# Variables that other readers own, so that they are not taken for misspelt settings.
FOREIGN_VARIABLES = frozenset(
    {"TILLGATE_KEK", "TILLGATE_POSTGRES_BIN", "TILLGATE_EMBEDDED_ROOT_MODE", "TILLGATE_CONFIG"}
)
CONFIG_BYTES_MAX = 1024 * 1024
ROOT_DATA = Path("/var/lib/tillgate")
PORT_DEFAULT = 8080
METRICS_PORT_DEFAULT = 8081
SANDBOX_PORT_DEFAULT = 8082
DRAIN_WAIT_S_DEFAULT = 30.0
WORKERS_MAX = 256
SHARDS_MAX = 64

# What Kubernetes puts into every container that lives beside a service named "tillgate".
_SERVICE_LINK = re.compile(
    r"TILLGATE_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)|PORT_\d+_(?:TCP|UDP))(?:_|$)"
)
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp)://")
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+@")
_PASSWORD_IN_QUERY = re.compile(r"(?i)([?&](?:password|sslpassword|passfile)=)[^&\s]*")
_BETWEEN = re.compile(r"[\s,]+")

Mode = Literal["sandbox", "live"]
LogLevel = Literal["debug", "info", "warning", "error"]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Source = Literal["flag", "environment", "file", "default"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be chosen. Paths are absolute; ports 0 mean any free one.

    `database_urls[0]` also holds the directory; without any, Postgres is embedded below `data`.
    `sandbox_url` is where the simulators are, `public_url` where channels find us; both belong to
    the running start. `supervisor_socket`, `wake_socket`, `last_writes` and `metrics_dir` are
    shared by one process tree and set by its supervisor.
    """

    mode: Mode = "sandbox"
    data: Path
    database_urls: tuple[str, ...] = ()
    owner_urls: tuple[str, ...] = ()
    shards: Annotated[int, msgspec.Meta(ge=1, le=SHARDS_MAX)] | None = None
    host: str = "127.0.0.1"
    port: Port = PORT_DEFAULT
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = METRICS_PORT_DEFAULT
    sandbox_port: Port = SANDBOX_PORT_DEFAULT
    sandbox_url: str | None = None
    public_url: str | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=WORKERS_MAX)] | None = None
    redis_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    limits: bool = False
    audit_dir: Path | None = None
    ready_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    drain_wait_s: Annotated[float, msgspec.Meta(ge=0, le=300)] = DRAIN_WAIT_S_DEFAULT
    kek_file: Path | None = None
    log_level: LogLevel = "info"
    supervisor_socket: Path | None = None
    wake_socket: Path | None = None
    last_writes: Path | None = None
    metrics_dir: Path | None = None

    @property
    def livemode(self) -> bool:
        """Whether real money moves."""
        return self.mode == "live"

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks whose word about a client's address is believed."""
        return tuple(ip_network(text) for text in self.trusted_proxies)

    @property
    def worker_count(self) -> int:
        """How many gateway processes to run: as told, else one for every two processors."""
        return self.workers or max(1, (os.cpu_count() or 1) // 2)


NAMES: tuple[str, ...] = Settings.__struct_fields__
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_LISTS = frozenset({"database_urls", "owner_urls", "trusted_proxies"})
_PATHS = frozenset(name for name in NAMES if _TYPES[name] in (Path, Path | None))


class ConfigError(Exception):
    """A setting cannot be used. One line for people, with the way out."""


class Shown(NamedTuple):
    """One setting as it may be shown: passwords left out."""

    name: str
    value: str
    source: Source


class Configuration(NamedTuple):
    """The settings of this process and the source of each."""

    settings: Settings
    sources: Mapping[str, Source]

    def shown(self) -> list[Shown]:
        """All settings, redacted, in their order."""
        return [
            Shown(name, show(getattr(self.settings, name)), self.sources[name]) for name in NAMES
        ]


def load(
    flags: Mapping[str, object],
    *,
    environment: Mapping[str, str],
    file: Path | None = None,
) -> Configuration:
    """Put the settings together. `flags` with the value None were not given.

    `file` is a TOML file with settings at its top level; TILLGATE_CONFIG names one, too. Relative
    paths in it are meant from its folder. Raises `ConfigError`.
    """
    if file is None and environment.get("TILLGATE_CONFIG"):
        file = Path(environment["TILLGATE_CONFIG"])
    layers: tuple[tuple[Source, dict[str, Any]], ...] = (
        ("file", {} if file is None else _of_file(file)),
        ("environment", _of_environment(environment)),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    values: dict[str, Any] = {"data": default_data_folder(environment)}
    sources: dict[str, Source] = dict.fromkeys(NAMES, "default")
    for source, layer in layers:
        for name, value in layer.items():
            values[name] = _converted(name, value, source)
            sources[name] = source
    for name in _PATHS & values.keys():
        if values[name] is not None:
            values[name] = Path(values[name]).expanduser().absolute()
    settings = Settings(**values)
    _check(settings)
    return Configuration(settings, sources)


def to_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables for a child process, so that no value is on a command line."""
    values = {name: getattr(settings, name) for name in NAMES}
    return {
        PREFIX + name.upper(): _text(value)
        for name, value in values.items()
        if value not in (None, ())
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "\n".join(value) if isinstance(value, tuple) else str(value)


def default_data_folder(environment: Mapping[str, str]) -> Path:
    """Where data lies unless told: root's below /var, others' as the XDG specification says."""
    if os.geteuid() == 0:
        return ROOT_DATA
    base = environment.get("XDG_DATA_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "tillgate"
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / ".local" / "share" / "tillgate"


def show(value: object) -> str:
    """A value of a setting as text, without passwords."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(redacted_url(str(item)) for item in value) or "-"
    return redacted_url(str(value))


def redacted_url(text: str) -> str:
    """A URL (or any text with one) without its password."""
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", text))


# --- layers ---------------------------------------------------------------------------------------


def _of_file(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            content = tomllib.loads(opened.read(CONFIG_BYTES_MAX).decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"The file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file {file} is not TOML: {error}.") from None
    for name in content:
        if name not in NAMES:
            raise ConfigError(f"{file}: there is no setting {name!r}.{_suggestion(name, NAMES)}")
    for name in _PATHS & content.keys():
        if isinstance(content[name], str):
            content[name] = file.absolute().parent / Path(content[name]).expanduser()
    return content


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {PREFIX + name.upper(): name for name in NAMES}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in FOREIGN_VARIABLES:
            continue
        if _SERVICE_LINK.match(variable) or (
            variable == "TILLGATE_PORT" and _SERVICE_ADDRESS.match(text)
        ):
            continue
        name = known.get(variable)
        if name is None:
            hint = _suggestion(variable, [*known, *FOREIGN_VARIABLES])
            raise ConfigError(f"There is no setting {variable}.{hint}")
        found[name] = text
    return found


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else " See `tillgate doctor` for all of them."


def _label(name: str, source: Source) -> str:
    if source == "environment":
        return PREFIX + name.upper()
    return f"--{flag_of(name)}" if source == "flag" else name


def flag_of(name: str) -> str:
    """The command line's spelling of a setting, without the hyphens in front."""
    special = {
        "database_urls": "database-url",
        "owner_urls": "owner-url",
        "drain_wait_s": "drain-wait",
    }
    return special.get(name, name.replace("_", "-"))


def _converted(name: str, value: Any, source: Source) -> Any:
    if name in _LISTS and isinstance(value, str):
        # URLs of clusters contain commas, so only networks are parted by them.
        parts = value.split() if name != "trusted_proxies" else _BETWEEN.split(value.strip())
        value = tuple(part for part in parts if part)
    if name in _PATHS and isinstance(value, Path):
        return value
    if isinstance(value, str) and value == "" and source == "environment":
        raise ConfigError(f"{_label(name, source)} is empty: unset it, or give it a value.")
    try:
        return msgspec.convert(value, _TYPES[name], strict=source == "file", dec_hook=_path_of_text)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{_label(name, source)} cannot be used: {error}.") from None


def _path_of_text(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("expected a path")


# --- checks across settings -----------------------------------------------------------------------


def _check(settings: Settings) -> None:
    for text in settings.trusted_proxies:
        try:
            ip_network(text)
        except ValueError:
            raise ConfigError(
                f"--trusted-proxies: {text} is no network like 10.0.0.0/8 (host bits zero)."
            ) from None
    for name in ("database_urls", "owner_urls"):
        for url in getattr(settings, name):
            if urlsplit(url).scheme not in ("postgresql", "postgres"):
                raise ConfigError(
                    f"--{flag_of(name)}: {redacted_url(url)} is no URL like "
                    "postgresql://user@host:5432/database."
                )
    for name in ("public_url", "sandbox_url"):
        _check_base(name, getattr(settings, name))
    redis_url = settings.redis_url
    if redis_url is not None and urlsplit(redis_url).scheme not in ("redis", "rediss", "unix"):
        raise ConfigError("--redis-url: give a URL like redis://host:6379/0.")
    _check_not_there_yet(settings)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key go together: give both or neither.")
    if settings.shards is not None and settings.database_urls:
        raise ConfigError(
            "--shards is for the embedded Postgres: with --database-url give one URL per shard."
        )
    if settings.owner_urls and len(settings.owner_urls) != len(settings.database_urls):
        raise ConfigError("Give as many --owner-url as --database-url, in the same order.")


def _check_not_there_yet(settings: Settings) -> None:
    """Refuse what is agreed on and not built yet: a promise must not be taken in silence."""
    for name, what in (("limits", "Rate limits"), ("audit_dir", "Heads of the audit chain")):
        if getattr(settings, name):
            raise ConfigError(f"--{flag_of(name)}: {what} do not exist yet; leave it out.")


def _check_base(name: str, url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username
        or url.endswith("/")
    ):
        raise ConfigError(
            f"--{flag_of(name)}: {redacted_url(url)} is no base URL like https://pay.example.com "
            "(no slash at the end, no query, no user info)."
        )


def check_live(settings: Settings, environment: Mapping[str, str]) -> None:
    """Refuse to move real money on defaults. Raises `ConfigError`; sandbox settings pass.

    What only the database knows (that the installation is no sandbox, that the role owns nothing)
    is checked where it is opened.
    """
    if not settings.livemode:
        return
    if not settings.database_urls:
        raise ConfigError("Live mode needs --database-url: the embedded Postgres has no standby.")
    if settings.kek_file is None and not environment.get("TILLGATE_KEK"):
        raise ConfigError(
            "Live mode makes no key-encryption key: set TILLGATE_KEK, or name its file with "
            "--kek-file."
        )
    if settings.sandbox_url is not None:
        raise ConfigError("Live mode has no simulators: take --sandbox-url away.")
    if settings.public_url is None or not settings.public_url.startswith("https://"):
        raise ConfigError("Live mode needs --public-url with https://, where channels call us.")
