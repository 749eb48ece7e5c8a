"""Settings: precedence, spelling, redaction, and what live mode refuses."""

from pathlib import Path

import pytest

from gateway import config
from gateway.config import ConfigError, Settings, check_live, load, to_environment

DATABASES = "postgresql://app:s3cret@db1:5432/till postgresql://app@db2/till?password=hush"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tillgate.toml"
    path.write_text('port = 1\nmetrics_port = 1\nsandbox_port = 1\nkek_file = "kek"\n')
    return path


def test_flags_win_over_environment_over_file_over_default(file: Path) -> None:
    loaded = load(
        {"port": 3, "data": None},
        environment={"TILLGATE_PORT": "2", "TILLGATE_METRICS_PORT": "2"},
        file=file,
    )
    settings, sources = loaded
    assert (settings.port, settings.metrics_port, settings.sandbox_port) == (3, 2, 1)
    assert settings.workers is None
    names = ("port", "metrics_port", "sandbox_port", "workers")
    assert [sources[name] for name in names] == ["flag", "environment", "file", "default"]


def test_the_environment_names_the_file_too(file: Path) -> None:
    assert load({}, environment={"TILLGATE_CONFIG": str(file)}).settings.port == 1


def test_paths_of_a_file_are_meant_from_its_folder(file: Path) -> None:
    assert load({}, environment={}, file=file).settings.kek_file == file.parent / "kek"


def test_paths_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load({"data": Path("here")}, environment={}).settings
    assert settings.data == tmp_path / "here"


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"TILLGATE_PROT": "1"}, "Did you mean TILLGATE_PORT?"),
        ({"TILLGATE_DATABASE_URL": "x"}, "Did you mean TILLGATE_DATABASE_URLS?"),
        ({"TILLGATE_PORT": "many"}, "TILLGATE_PORT cannot be used"),
        ({"TILLGATE_PORT": "65536"}, "TILLGATE_PORT cannot be used"),
        ({"TILLGATE_LIMITS": "perhaps"}, "TILLGATE_LIMITS cannot be used"),
        ({"TILLGATE_MODE": "production"}, "TILLGATE_MODE cannot be used"),
        ({"TILLGATE_PORT": ""}, "TILLGATE_PORT is empty"),
        ({"TILLGATE_TRUSTED_PROXIES": "10.0.0.1/8"}, "10.0.0.1/8 is no network"),
        ({"TILLGATE_DATABASE_URLS": "mysql://a:pw@b/c"}, "is no URL like postgresql://"),
        ({"TILLGATE_PUBLIC_URL": "pay.example.com"}, "is no base URL"),
        ({"TILLGATE_PUBLIC_URL": "https://pay.example.com/"}, "is no base URL"),
        ({"TILLGATE_TLS_CERT": "/c.pem"}, "go together"),
        (
            {"TILLGATE_SHARDS": "2", "TILLGATE_DATABASE_URLS": "postgresql:///a"},
            "one URL per shard",
        ),
        ({"TILLGATE_OWNER_URLS": "postgresql:///a"}, "as many --owner-url"),
    ],
)
def test_what_cannot_be_used_is_told_by_name(environment: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, environment=environment)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_an_unknown_key_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "till.toml"
    path.write_text("trusted_proxy = '10.0.0.0/8'\n")
    with pytest.raises(ConfigError, match="Did you mean trusted_proxies"):
        load({}, environment={}, file=path)


@pytest.mark.parametrize(
    ("text", "says"), [("port = [", "not TOML"), ("port = '8080'", "port cannot be used")]
)
def test_a_file_is_read_strictly(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "till.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load({}, environment={}, file=path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load({}, environment={}, file=tmp_path / "none.toml")


def test_variables_of_others_are_left_alone() -> None:
    settings = load(
        {},
        environment={
            "TILLGATE_KEK": "…",
            "TILLGATE_POSTGRES_BIN": "/usr/bin",
            "TILLGATE_SERVICE_HOST": "10.0.0.7",
            "TILLGATE_SERVICE_PORT_HTTP": "80",
            "TILLGATE_PORT": "tcp://10.0.0.7:80",
            "TILLGATE_PORT_80_TCP": "tcp://10.0.0.7:80",
            "TILLGATE_PORT_80_TCP_ADDR": "10.0.0.7",
            "TILLGATE_API_SERVICE_HOST": "10.0.0.8",
        },
    ).settings
    assert settings.port == config.PORT_DEFAULT


def test_passwords_are_not_shown() -> None:
    loaded = load({}, environment={"TILLGATE_DATABASE_URLS": DATABASES})
    shown = {each.name: each for each in loaded.shown()}
    assert list(shown) == list(config.NAMES)
    value = shown["database_urls"].value
    assert "db1:5432" in value and "db2" in value
    assert "s3cret" not in value and "hush" not in value
    assert shown["database_urls"].source == "environment"


def test_settings_reach_a_child_whole() -> None:
    settings = load(
        {"limits": False, "shards": None, "trusted_proxies": "10.0.0.0/8,::1/128"},
        environment={"TILLGATE_DATABASE_URLS": DATABASES, "TILLGATE_DRAIN_WAIT_S": "0.5"},
    ).settings
    variables = to_environment(settings)
    assert all(name.startswith("TILLGATE_") for name in variables)
    assert load({}, environment=variables).settings == settings


def test_the_default_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    given = {"XDG_DATA_HOME": "/xdg", "HOME": "/home/eve"}
    assert load({}, environment=given).settings.data == Path("/xdg/tillgate")
    given["XDG_DATA_HOME"] = "relative/is/to/be/ignored"
    assert load({}, environment=given).settings.data == Path("/home/eve/.local/share/tillgate")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert load({}, environment=given).settings.data == Path("/var/lib/tillgate")


LIVE = {
    "mode": "live",
    "database_urls": ("postgresql://app@db/till",),
    "kek_file": Path("/etc/tillgate/kek"),
    "public_url": "https://pay.example.com",
}


def test_live_mode_takes_an_operators_own_choices() -> None:
    check_live(load(LIVE, environment={}).settings, {})
    given = {**LIVE, "kek_file": None}
    check_live(load(given, environment={}).settings, {"TILLGATE_KEK": "…"})


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ({"database_urls": ()}, "--database-url"),
        ({"kek_file": None}, "TILLGATE_KEK"),
        ({"public_url": None}, "--public-url"),
        ({"public_url": "http://pay.example.com"}, "https://"),
        ({"sandbox_url": "http://127.0.0.1:1"}, "no simulators"),
    ],
)
def test_live_mode_starts_on_no_default(missing: dict[str, object], says: str) -> None:
    settings = load({**LIVE, **missing}, environment={}).settings
    with pytest.raises(ConfigError, match=says):
        check_live(settings, {})


def test_the_sandbox_needs_nothing() -> None:
    check_live(Settings(data=Path("/tmp/x")), {})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"limits": True}, "--limits: Rate limits do not exist yet"),
        ({"audit_dir": "/a"}, "--audit-dir: Heads of the audit chain do not exist yet"),
        ({"redis_url": "http://localhost"}, "--redis-url: give a URL like redis://"),
    ],
)
def test_what_would_be_taken_in_silence_is_refused(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(flags, environment={})
