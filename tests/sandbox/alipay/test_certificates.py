"""Certificate mode: who is certified, what each side must name, and Alipay's renewal."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.sandbox import Sandbox

TRANSFER = {
    "out_biz_no": "T_1",
    "trans_amount": "1.00",
    "product_code": "TRANS_ACCOUNT_NO_PWD",
    "biz_scene": "DIRECT_TRANSFER",
    "payee_info": {"identity": "2088102146225135", "identity_type": "ALIPAY_USER_ID"},
}
DOWNLOAD = "open.app.alipaycert.download"


def loaded(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_the_root_certifies_both_sides(merchant: Any) -> None:
    root = loaded(merchant.account["alipay_root_cert"])
    for name in ("app_cert", "alipay_cert"):
        loaded(merchant.account[name]).verify_directly_issued_by(root)
    app = loaded(merchant.account["app_cert"]).public_key()
    assert app == merchant.key.public_key()
    alipay = (
        loaded(merchant.account["alipay_cert"])
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert alipay.decode() == merchant.account["alipay_public_key"]


async def test_certificates_outlive_a_restart(
    merchant: Any, sandbox: Sandbox, data: Any, clock: Any, enrol: Any, merchant_key: Any
) -> None:
    await sandbox.stop()
    again = Sandbox(data=data, clock=clock)
    await again.start()
    found = await enrol(again.url, merchant_key)
    await again.stop()
    names = ("app_cert", "alipay_cert", "alipay_root_cert", "app_cert_sn", "alipay_root_cert_sn")
    assert {n: found.account[n] for n in names} == {n: merchant.account[n] for n in names}


@pytest.mark.parametrize("name", ["app_cert_sn", "alipay_root_cert_sn"])
@pytest.mark.parametrize("value", ["0" * 32, None])
async def test_both_numbers_must_be_right(merchant: Any, name: str, value: str | None) -> None:
    numbers = {n: merchant.account[n] for n in ("app_cert_sn", "alipay_root_cert_sn")}
    parameters = merchant.parameters("query", {"out_trade_no": "A_1"}, **(numbers | {name: value}))
    _, node, right = merchant.read(await merchant.send(parameters))
    assert (node["sub_code"], right) == ("isv.invalid-parameter", None)


async def test_the_answer_names_its_certificate(merchant: Any) -> None:
    numbers = {n: merchant.account[n] for n in ("app_cert_sn", "alipay_root_cert_sn")}
    plain = await merchant.send(merchant.parameters("query", {"out_trade_no": "A_1"}))
    assert "alipay_cert_sn" not in plain
    answer = await merchant.send(merchant.parameters("query", {"out_trade_no": "A_1"}, **numbers))
    assert f'"alipay_cert_sn":"{merchant.account["alipay_cert_sn"]}","sign":' in answer


async def test_transfers_need_certificates(ask: Any, certified: Any, book: Any) -> None:
    refused = await ask("fund.trans.uni.transfer", TRANSFER)
    assert (refused["code"], refused["sub_code"]) == ("40006", "isv.insufficient-isv-permissions")
    assert (await book())["transfers"] == []
    assert (await certified("fund.trans.uni.transfer", TRANSFER))["status"] == "SUCCESS"
    (shown,) = (await book())["transfers"]
    assert (shown["out_transfer_no"], shown["amount"], shown["status"]) == ("T_1", 100, "succeeded")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"out_biz_no": None}, "INVALID_PARAMETER"),
        ({"trans_amount": "0.09"}, "EXCEED_LIMIT_SM_MIN_AMOUNT"),
        ({"trans_amount": "44400.11"}, "PAYER_BALANCE_NOT_ENOUGH"),
        ({"product_code": None}, "INVALID_PARAMETER"),
        ({"biz_scene": "OTHER"}, "INVALID_PARAMETER"),
        ({"payee_info": None}, "INVALID_PARAMETER"),
        ({"payee_info": {"identity": "1", "identity_type": "ALIPAY_USER_ID"}}, "PAYEE_NOT_EXIST"),
        ({"payee_info": {"identity": "1", "identity_type": "CARD"}}, "INVALID_PARAMETER"),
        ({"payee_info": {"identity": 1, "identity_type": "ALIPAY_USER_ID"}}, "PAYEE_NOT_EXIST"),
        ({"payee_info": {"identity": "a@b.c", "identity_type": "ALIPAY_LOGON_ID"}},
         "INVALID_PARAMETER"),
    ],
)  # fmt: skip
async def test_an_ill_formed_transfer_moves_nothing(
    certified: Any, book: Any, change: dict, expected: str
) -> None:
    node = await certified("fund.trans.uni.transfer", TRANSFER | change)
    assert node["sub_code"] == expected
    assert (await book())["transfers"] == []


async def test_a_renewed_certificate_signs_and_the_old_one_stays_known(
    merchant: Any, certified: Any, ask: Any, control: Any
) -> None:
    before = merchant.account["alipay_cert_sn"]
    status, renewed = await control("POST", "/alipay/certificate", {})
    assert status == 200 and renewed["alipay_cert_sn"] != before
    numbers = {n: merchant.account[n] for n in ("app_cert_sn", "alipay_root_cert_sn")}
    answer = await merchant.send(merchant.parameters("query", {"out_trade_no": "A_1"}, **numbers))
    assert merchant.read(answer)[2] is False  # another key than that of public key mode
    for sn in (before, renewed["alipay_cert_sn"]):
        node = await ask(DOWNLOAD, {"alipay_cert_sn": sn})
        found = loaded(base64.b64decode(node["alipay_cert_content"]).decode())
        found.verify_directly_issued_by(loaded(merchant.account["alipay_root_cert"]))
    node = await ask(DOWNLOAD, {"alipay_cert_sn": "0" * 32})
    assert node["sub_code"] == "isv.invalid-parameter"
