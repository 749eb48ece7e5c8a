"""Documents tell the truth: generated pages are fresh, links lead somewhere, examples run."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from docs.generate import PAGES, stale
from fastpath.keyed import HmacKey
from fastpath.signature import parse_authorization
from tests.style.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([\w.-]+))?\)")
# A file of the tree as documents name it: below the project, or below gateway/.
NAMED_FILE = re.compile(
    r"`((?:[a-z_]+/)+[a-z0-9_]+\.(?:py|sql|md)|(?:domain|center|channels|adapters|web|workers|cli"
    r"|sandbox|telemetry)/[a-z_/]*)`"
)
SECRET = bytes(range(32))
SECRET_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MERCHANT = "mch_01jd3x0000000000000000000a"
KEY = "key_01jd3x0000000000000000000b"


def test_generated_pages_are_fresh() -> None:
    assert stale() == [], "run `make docs`"


def test_a_stale_page_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(PAGES))
    monkeypatch.setitem(PAGES, name, lambda: "something else")  # type: ignore[misc]
    assert stale() == [name]


def anchors(document: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of headings, and explicit ones."""
    text = document.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(document.read_text("utf-8")):
        if target.startswith(("https:", "http:", "mailto:")):
            continue
        goal = (document.parent / target).resolve() if target else document
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_files_exist(document: Path) -> None:
    missing = [
        name
        for name in NAMED_FILE.findall(document.read_text("utf-8"))
        if not any((place / name).exists() for place in (ROOT, ROOT / "gateway"))
        and not (ROOT / "gateway" / f"{name}.py").exists()
    ]
    assert missing == []


def test_the_map_has_at_most_200_lines() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines()) <= 200


def test_the_worked_signature_is_right() -> None:
    page = (ROOT / "docs/merchants/signing.md").read_text("utf-8")
    vector = json.loads((ROOT / "tests/vectors/own_pay1.json").read_text("utf-8"))
    assert vector["hmac"]["signature_b64"] in page
    assert vector["message"].replace("\n", "\\n") in page
    assert vector["hmac"]["key_ascii"] in page


# --- the examples of the README, against a house that verifies as the real one does --------------


class House(ThreadingHTTPServer):
    """Accepts what is signed right, and plays the payer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.seen: list[tuple[str, dict[str, Any]]] = []


class Door(BaseHTTPRequestHandler):
    server: House

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/payer/pay":
            self.answer(200, json.loads(body), {"result": "paid", "channel_order_no": "2026"})
            return
        header = parse_authorization(self.headers["Authorization"].encode())
        genuine = (header.mch, header.key) == (MERCHANT, KEY) and HmacKey(SECRET).verify_request(
            b"POST", self.path.encode(), header.ts_text, header.nonce, body, header.sig
        )
        code = {"type": "qr_code", "qr_code": "https://qr.example/1"}
        payment = {"id": "pay_1", "status": "requires_action", "next_action": code}
        self.answer(201 if genuine else 401, json.loads(body), payment)

    def answer(self, status: int, asked: dict[str, Any], said: dict[str, Any]) -> None:
        self.server.seen.append((f"{status} {self.path}", asked))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    server = House()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    ready = {"base_url": base, "sandbox_url": base, "merchant_id": MERCHANT}
    ready |= {"key_id": KEY, "key_secret": SECRET_BASE64}
    (tmp_path / "ready.json").write_text(json.dumps(ready), encoding="utf-8")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def examples(language: str) -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert blocks
    return "\n".join(blocks)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_example_runs(house: House, tmp_path: Path) -> None:
    said = run([sys.executable, "-I", "-c", examples("python")], tmp_path)
    assert '"pay_1"' in said and "'paid'" in said
    (created, order), (paid, scan) = house.seen
    assert (created, order["amount"]) == ("201 /v1/payments", 1288)
    assert (paid, scan) == ("200 /payer/pay", {"code": "https://qr.example/1"})


@pytest.mark.system
def test_the_shell_example_runs(house: House, tmp_path: Path) -> None:
    """With curl and openssl, under the plainest shell there is."""
    said = run(["sh", "-euc", examples("sh")], tmp_path)
    assert json.loads(said)["id"] == "pay_1"
    ((created, order),) = house.seen
    assert (created, order["method"]) == ("201 /v1/payments", "alipay_qr")
