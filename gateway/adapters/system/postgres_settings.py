"""The settings under which an embedded Postgres runs, and what they promise.

Law: names, values and the checks on them; nothing is started or written. All settings are given on
the command line of the server, where neither postgresql.conf nor ALTER SYSTEM can change them.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gateway.adapters.system.socket_folder import SOCKET_PORT

DEFAULT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "wal_level": "logical",
        "max_connections": "200",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        # A new table has no statistics: until it is looked at, rows may be found by a worse index.
        # So it is looked at early, and then whenever it has doubled.
        "autovacuum_naptime": "10s",
        "autovacuum_analyze_scale_factor": "1.0",
        # They are asked no more than which index is the narrower: 3 000 rows tell that as well as
        # the usual 30 000, which cost 3 us for each of the first 100 000 payments.
        "default_statistics_target": "10",
        # Vacuum has nothing to clear among rows that were only inserted. It freezes them, which
        # logs every page of theirs whole once more: not while their payments still change.
        "autovacuum_vacuum_insert_threshold": "1000000",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "cluster_name": "tillgate",
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_error_verbosity": "terse",  # DETAIL lines repeat the values of rows
    }
)
# What the supervisor itself relies on; trust on a private socket is safe only without TCP.
FIXED_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": str(SOCKET_PORT),
        "unix_socket_permissions": "0700",
    }
)
SUPERVISED_SETTINGS = {*FIXED_SETTINGS, "unix_socket_directories", "data_directory"}


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise ValueError when one of `settings` is the supervisor's own."""
    if own := SUPERVISED_SETTINGS & {*settings}:
        raise ValueError(f"these settings are the supervisor's: {', '.join(sorted(own))}")


def server_options(settings: Mapping[str, str], *, sockets: Path) -> list[str]:
    """The options of `postgres` for these settings and that socket folder."""
    complete = {
        # Files in the cluster: after kill -9 nothing of it is left anywhere else.
        "dynamic_shared_memory_type": "mmap",
        **settings,
        **FIXED_SETTINGS,
        "unix_socket_directories": str(sockets),
    }
    return [part for name, value in complete.items() for part in ("-c", f"{name}={value}")]
