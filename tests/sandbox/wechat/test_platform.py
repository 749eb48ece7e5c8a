"""The keys of the pretend WeChat Pay: both kinds, changing while we look."""

from typing import Any

import pytest
from cryptography import x509

from gateway.sandbox import Sandbox

from .conftest import opened

CERTIFICATES = "/v3/certificates"


async def listed(shop: Any) -> dict[str, str]:
    """The platform certificates by serial, as the account opens them."""
    found = {}
    for item in (await shop.call("GET", CERTIFICATES))["data"]:
        resource = item["encrypt_certificate"]
        assert resource["associated_data"] == "certificate"
        pem = opened(resource, shop.account["apiv3_key"]).decode()
        certificate = x509.load_pem_x509_certificate(pem.encode())
        assert f"{certificate.serial_number:X}" == item["serial_no"]
        found[item["serial_no"]] = pem
    return found


async def test_an_account_is_told_everything(shop: Any) -> None:
    account = shop.account
    assert account["channel"] == "wechat" and account["mchid"].isdigit()
    assert account["appid"].startswith("wx") and len(account["apiv3_key"]) == 32
    assert len(account["merchant_serial"]) == 40
    assert account["public_key_id"].startswith("PUB_KEY_ID_")
    assert account["gateway_url"].endswith("/wechat")
    assert account["wechat_public_key"] == account["platform_public_key"]
    assert account["wechat_public_key_id"] == account["public_key_id"]
    assert await listed(shop) == {account["platform_serial"]: account["platform_certificate"]}


async def test_an_account_is_found_again(
    shop: Any, sandbox: Any, merchant_key: Any, wechat_enrol: Any, data: Any, clock: Any
) -> None:
    assert (await wechat_enrol(sandbox.url, merchant_key)).account == shop.account
    await sandbox.stop()
    again = Sandbox(data=data, clock=clock)
    await again.start()
    found = (await wechat_enrol(again.url, merchant_key)).account
    await again.stop()
    assert found | {"gateway_url": ""} == shop.account | {"gateway_url": ""}


@pytest.mark.parametrize("mode", ["public_key", "certificate", None])
async def test_an_answer_follows_what_the_request_named(shop: Any, mode: str | None) -> None:
    shop.mode = mode
    answer = await shop.send("GET", CERTIFICATES)
    named = "public_key_id" if mode == "public_key" else "platform_serial"
    assert answer.right is True
    assert answer.headers["wechatpay-serial"] == shop.account[named]


async def test_a_strangers_serial_is_refused(shop: Any) -> None:
    for serial in ("AB12", "PUB_KEY_ID_0", shop.account["merchant_serial"]):
        answer = await shop.send("GET", CERTIFICATES, headers={"Wechatpay-Serial": serial})
        assert (answer.status, answer.json["code"], answer.right) == (400, "PARAM_ERROR", True)


async def notice_serial(shop: Any, pay: Any, mailbox: Any, number: str) -> str:
    await pay(await shop.native(number, notify_url=mailbox.url))
    headers, body = await mailbox.next()
    shop.read_notice(headers, body)
    return {name.lower(): value for name, value in headers.items()}["wechatpay-serial"]


@pytest.mark.parametrize("mode", ["public_key", "certificate", None])
async def test_a_notification_follows_what_the_account_named_last(
    shop: Any, pay: Any, mailbox: Any, mode: str | None
) -> None:
    shop.mode = mode
    named = "public_key_id" if mode == "public_key" else "platform_serial"
    assert await notice_serial(shop, pay, mailbox, "A-1") == shop.account[named]


async def test_while_a_merchant_changes_over_both_kinds_come(
    shop: Any, pay: Any, mailbox: Any, control: Any
) -> None:
    assert (await control("POST", "/wechat/keys", {"callbacks": "mixed"}))[0] == 200
    found = [await notice_serial(shop, pay, mailbox, f"A-{number}") for number in range(4)]
    public, platform = shop.account["public_key_id"], shop.account["platform_serial"]
    assert found == [public, platform, public, platform]
    for kind, expected in (("certificate", platform), ("public_key", public)):
        await control("POST", "/wechat/keys", {"callbacks": kind})
        assert await notice_serial(shop, pay, mailbox, f"B-{kind}") == expected


async def test_a_new_certificate_takes_over_and_the_old_one_stays_listed(
    shop: Any, control: Any
) -> None:
    shop.mode = None
    old = shop.account["platform_serial"]
    status, said = await control("POST", "/wechat/keys", {"rotate": 1})
    assert status == 200 and said["platform_serial"] != old
    with pytest.raises(KeyError, match=said["platform_serial"]):
        await shop.send("GET", CERTIFICATES)
    shop.keys[said["platform_serial"]] = shop.keys[old]  # a wrong one, to get at the body
    answer = await shop.send("GET", CERTIFICATES)
    assert answer.right is False
    for item in answer.json["data"]:
        shop.learn(opened(item["encrypt_certificate"], shop.account["apiv3_key"]).decode())
    assert set(await listed(shop)) == {old, said["platform_serial"]}
    shop.mode = "certificate"  # names the old one, is answered with the new
    answer = await shop.send("GET", CERTIFICATES)
    assert answer.headers["wechatpay-serial"] == said["platform_serial"] and answer.right is True


@pytest.mark.parametrize(
    "content", [{"rotate": 2}, {"rotate": True}, {"callbacks": "none"}, {"other": 1}]
)
async def test_the_control_is_strict(shop: Any, control: Any, content: dict) -> None:
    assert (await control("POST", "/wechat/keys", content))[0] == 400
