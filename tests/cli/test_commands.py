"""Commands beside a running system: one clear line, the right status, JSON for programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import run
from gateway.cli.merchant_client import MerchantClient, Refused
from tests.cli.conftest import Process, tillgate


def given(*arguments: str, running: Process) -> Any:
    """The JSON that a command beside `running` gives; it must succeed."""
    done = tillgate(*arguments, "--data", str(running.data), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_a_merchant_with_a_key_can_sign_until_it_is_revoked(
    running: Process, ready: dict[str, Any]
) -> None:
    made = given("merchants", "create", "Tea house", "--ref", "tea", running=running)
    again = given("merchants", "create", "Tea house", "--ref", "tea", running=running)
    assert made["id"] == again["id"] and made["merchant_ref"] == "tea"
    listed = given("merchants", "list", running=running)["data"]
    assert made["id"] in [each["id"] for each in listed]

    key = given("keys", "create", made["id"], "--scope", "payments.read", running=running)
    assert key["scopes"] == ["payments.read"]
    found = given("keys", "list", made["id"], running=running)["data"]
    assert [each["id"] for each in found] == [key["id"]]
    assert "secret" not in found[0]
    client = MerchantClient(
        ready["base_url"], merchant_id=made["id"], key_id=key["id"], key_secret=key["secret"]
    )
    async with client:
        assert (await client.get("/v1/payments"))["data"] == []
        with pytest.raises(Refused) as refused:
            await client.get("/v1/balance")
        assert refused.value.problem["code"] == "forbidden_scope"
        assert given("keys", "revoke", key["id"], running=running)["status"] == "revoked"
        while True:
            try:
                await client.get("/v1/payments")
            except Refused as error:
                assert error.status == 401
                break


def test_doctor_finds_a_running_system_sound(running: Process) -> None:
    told = given("doctor", running=running)
    assert told["ok"] is True
    verdicts = {each["subject"]: each["verdict"] for each in told["findings"]}
    assert {verdicts[name] for name in ("database 0", "database 1", "simulators")} == {"good"}
    settings = {each["name"]: each for each in told["settings"]}
    assert settings["data"] == {"name": "data", "value": str(running.data), "source": "flag"}


def test_doctor_tells_what_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    nowhere = "postgresql://app:s3cret@127.0.0.1:1/till"
    data = str(tmp_path / "file" / "data")
    assert run(["doctor", "--data", data, "--database-url", nowhere, "--json"]) == 1
    said = capsys.readouterr()
    findings = {each["subject"]: each for each in json.loads(said.out)["findings"]}
    assert findings["data folder"]["verdict"] == "bad"
    assert findings["database 0"]["verdict"] == "bad"
    assert "s3cret" not in said.out + said.err


def test_the_books_hold(running: Process) -> None:
    assert given("verify", running=running)["holds"] is True


def test_migrate_has_nothing_to_do(running: Process) -> None:
    told = given("migrate", running=running)
    assert (told["shards"], told["applied"]) == (2, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("up --prot 1", "--port"),
        ("pu", "up"),
        ("keys list", "MERCHANT"),
        ("up --port 70000", "--port cannot be used"),
        ("up --shards 0", "--shards cannot be used"),
        ("serve --mode live", "--database-url"),
        ("serve --config /none.toml", "/none.toml cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments.split()) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1 and said.out == ""


def test_an_id_that_is_none_is_wrong_use(running: Process) -> None:
    done = tillgate("keys", "list", "mch_1", "--data", str(running.data))
    assert done.returncode == 2
    assert "mch_…" in done.stderr


def test_what_is_absent_is_told_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["merchants", "list", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "tillgate up" in said and "--data" in said
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_variable_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILLGATE_PROT", "1")
    assert run(["doctor"]) == 2
    assert "TILLGATE_PORT" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    words = capsys.readouterr().out.split()
    commands = "up demo serve work sandbox migrate merchants keys doctor verify".split()
    assert [name for name in commands if name not in words] == []


@pytest.mark.parametrize("command", ["up", "demo", "serve", "work", "migrate", "doctor"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    words = capsys.readouterr().out.split()
    assert {"--json", "--data", "--database-url"} <= set(words)
