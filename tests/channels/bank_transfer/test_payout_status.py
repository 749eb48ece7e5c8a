"""What a bank answers to a payout file: listed words are definite, all else is unknown."""

import pytest

from gateway.channels.bank_transfer.payout_status import read_payout_status
from gateway.channels.codec import Refused, Unknown
from gateway.channels.statement import StatementMalformed
from gateway.channels.transfer import TransferPending, Transferred

NUMBERS = frozenset({"p1", "p2"})


def status(*transactions: str, group: str = "", block: str = "", block_id: str = "F-1") -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>S</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>F-1</OrgnlMsgId>{group}"
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{block_id}</OrgnlPmtInfId>{block}"
        f"{''.join(transactions)}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def said(number: str, word: str, reason: str = "") -> str:
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{number}</OrgnlEndToEndId><TxSts>{word}</TxSts>{why}"
        "</TxInfAndSts>"
    )


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("ACSC", Transferred),
        ("ACCC", Transferred),
        ("RCVD", TransferPending),
        ("ACSP", TransferPending),
        ("PDNG", TransferPending),
        ("RJCT", Refused),
        ("CANC", Unknown),
        ("", Unknown),
        ("acsc", Unknown),
    ],
)
def test_each_word(word: str, outcome: type) -> None:
    found = read_payout_status(status(said("p1", word, "AC04")), NUMBERS)
    assert found.file_no == "F-1" and list(found) == ["p1"]
    assert isinstance(found["p1"], outcome)
    if outcome is Refused:
        assert (found["p1"].code, found["p1"].channel_code) == ("payee_refused", "AC04")


def test_a_rejection_of_the_whole_counts_for_those_without_a_word_of_their_own() -> None:
    rejected = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>AM05</Cd></Rsn></StsRsnInf>"
    found = read_payout_status(status(said("p1", "ACSC"), group=rejected), NUMBERS)
    assert isinstance(found["p1"], Transferred)
    assert isinstance(found["p2"], Refused) and found["p2"].channel_code == "AM05"
    block = "<PmtInfSts>RJCT</PmtInfSts>"
    assert set(read_payout_status(status(block=block), NUMBERS)) == NUMBERS
    assert not read_payout_status(status(block=block, block_id="F-2"), NUMBERS)
    accepted = read_payout_status(status(group="<GrpSts>ACSC</GrpSts>"), NUMBERS)
    assert not accepted, "settled is said of a transfer, never of a file"


def test_two_words_for_one_transfer_are_none() -> None:
    found = read_payout_status(status(said("p1", "ACSC"), said("p1", "RJCT")), NUMBERS)
    assert isinstance(found["p1"], Unknown)


def test_strangers_are_passed_over() -> None:
    assert not read_payout_status(status(said("x", "ACSC")), NUMBERS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Document/>",
        b"\xff",
        status().replace(b"pain.002", b"pain.001"),
        status().replace(b"F-1", b""),
        status()[:-1],
        b'<!DOCTYPE d [<!ENTITY a "a">]>' + status(),
    ],
)
def test_what_is_no_status_file(content: bytes) -> None:
    with pytest.raises(StatementMalformed):
        read_payout_status(content, NUMBERS)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.channels.bank_transfer.payout_status.STATUS_BYTES_MAX", 10)
    with pytest.raises(StatementMalformed, match="bytes"):
        read_payout_status(status(), NUMBERS)
