"""`migrate`, `serve` and `work` alone, on a database of one's own."""

import base64
import datetime as dt
import json
import secrets
import signal
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.adapters.system.root_keys import read_root_keys
from gateway.cli.main import run
from gateway.cli.merchant_client import MerchantClient
from tests.cli.conftest import FREE_PORTS, Process, Start, wait_until
from tests.conftest import KEK, Installation


@pytest.fixture
def kek(tmp_path: Path) -> Path:
    """A file with a key-encryption key."""
    path = tmp_path / "kek"
    read_root_keys(path, {}, create=True)
    return path


@pytest.fixture
async def own_database(running: Process) -> AsyncIterator[str]:
    """The URL of an empty database, by a login that owns it, on a server that keeps its word."""
    owner_url = json.loads((running.data / "run.json").read_text())["database_urls"][0]
    name = f"own_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(f"create database {name}")
        yield owner_url.replace("/tillgate_0?", f"/{name}?")
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


def told(process: Process) -> dict[str, Any]:
    """The line of JSON that a process gives when it serves."""

    def there() -> bool:
        assert process.popen.poll() is None, process.said
        return process.out.read_text().endswith("\n")

    wait_until(there, "one line of JSON")
    content: dict[str, Any] = json.loads(process.out.read_text())
    return content


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tillgate test")])
    loopback = x509.IPAddress(ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


async def test_serve_and_work_run_alone_and_drain(
    own_database: str, start: Start, kek: Path, tmp_path: Path
) -> None:
    where = ("--database-url", own_database, "--kek-file", str(kek))
    migrated = start("migrate", *where, "--json")
    assert migrated.popen.wait(60) == 0, migrated.said
    assert json.loads(migrated.out.read_text())["shards"] == 1

    cert, key = certificate(tmp_path)
    tls = ("--tls-cert", str(cert), "--tls-key", str(key))
    free = (*FREE_PORTS, "--metrics-port", "0", "--json")
    gateway = start("serve", *where, *tls, *free, "--drain-wait", "1")
    worker = start("work", *where, "--metrics-port", "0", "--json")
    base_url = told(gateway)["base_url"]
    assert base_url.startswith("https://127.0.0.1:")
    told(worker)

    trust = ssl.create_default_context(cafile=str(cert))
    connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ready() -> int:
            async with session.get(f"{base_url}/readyz") as answer:
                return answer.status

        assert await ready() == 200
        gateway.popen.send_signal(signal.SIGTERM)
        # It says that it is not ready, and still answers while load balancers look elsewhere.
        while (status := await ready()) == 200:
            pass
        assert status == 503
    assert gateway.popen.wait(60) == 0
    assert worker.stop() == 0
    assert (gateway.said, worker.said) == ("", "")


async def test_up_works_on_a_database_of_ones_own_from_another_folder_too(
    own_database: str, start: Start, kek: Path
) -> None:
    where = ("--database-url", own_database, "--kek-file", str(kek))
    first = start("up", *FREE_PORTS, *where)
    before = first.wait_ready()
    assert first.stop() == 0
    assert not (first.data / "postgres").exists()

    # Another data folder: the simulators know nothing of the account that was opened before.
    second = start("up", *FREE_PORTS, *where)
    after = second.wait_ready()
    assert after["merchant_id"] == before["merchant_id"]
    assert after["key_secret"] == before["key_secret"]
    client = MerchantClient(
        after["base_url"],
        merchant_id=after["merchant_id"],
        key_id=after["key_id"],
        key_secret=after["key_secret"],
    )
    async with client:
        payment = await client.post(
            "/v1/payments",
            {
                "merchant_order_no": "OTHER-FOLDER",
                "amount": 100,
                "currency": "CNY",
                "subject": "Tea",
                "method": "alipay_qr",
            },
        )
    assert payment["status"] == "requires_action"
    connection = await asyncpg.connect(after["database_urls"][0])
    try:
        count = "select count(*) from channel_accounts where channel = 'alipay'"
        assert await connection.fetchval(count) == 2
    finally:
        await connection.close()
    assert second.stop() == 0


async def test_another_key_is_refused_before_anything_is_sealed(
    own_database: str, start: Start, kek: Path, tmp_path: Path
) -> None:
    url = own_database
    other = tmp_path / "other"
    read_root_keys(other, {}, create=True)
    first = start("migrate", "--database-url", url, "--kek-file", str(kek))
    assert first.popen.wait(60) == 0, first.said
    second = start("migrate", "--database-url", url, "--kek-file", str(other))
    assert second.popen.wait(60) == 1
    assert "not the one that this installation was made with" in second.said
    live = ("--mode", "live", "--public-url", "https://pay.example.com")
    third = start("serve", "--database-url", url, "--kek-file", str(kek), *live, *FREE_PORTS)
    assert third.popen.wait(60) == 1
    assert "This installation is for the mode sandbox, not live" in third.said


def test_a_database_that_may_forget_is_not_served(
    installation: Installation, start: Start, tmp_path: Path
) -> None:
    # The server of the other tests runs without fsync.
    kek = tmp_path / "kek"
    kek.write_text(f"{base64.b64encode(KEK).decode()}\n")
    kek.chmod(0o600)
    where = ("--database-url", installation.dsns[0], "--kek-file", str(kek))
    process = start("up", *FREE_PORTS, *where)
    assert process.popen.wait(60) == 1
    assert "fsync" in process.said and "tillgate doctor" in process.said
    assert process.leftovers() == [] and not process.ready_file.exists()


@pytest.mark.parametrize("command", ["serve", "work"])
def test_without_databases_it_is_told_what_brings_them(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--data", str(tmp_path), "--log-level", "error"]) == 1
    assert "--database-url" in capsys.readouterr().err


def test_live_mode_makes_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql://app@127.0.0.1:1/till"
    arguments = ["migrate", "--mode", "live", "--database-url", url, "--data", str(tmp_path)]
    assert run(arguments) == 1
    assert "TILLGATE_KEK" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
