"""The vault: what was sealed opens in its own place only, and never as something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.system.vault import (
    BLOB_BYTES_MIN,
    MerchantSecrets,
    SecretUnreadable,
    Vault,
)

pytestmark = pytest.mark.fast

OLD, NEW = b"o" * 32, b"n" * 32
MERCHANT = "mch_01jd3x0000e008000000000000"
OTHER = "mch_01jd3x0000e008000000000001"
PLACE = {
    "table": "keys",
    "column": "material",
    "row": "key_1",
    "merchant_id": MERCHANT,
    "version": 1,
}


@pytest.fixture
def vault() -> Vault:
    return Vault({1: OLD})


def test_a_secret_comes_back(vault: Vault) -> None:
    data_key = vault.new_data_key(MERCHANT)
    sealed = vault.seal(data_key, **PLACE, plaintext=b"secret")
    assert vault.open(data_key, **PLACE, sealed=sealed) == b"secret"
    assert b"secret" not in sealed
    assert Vault({1: OLD}).open(data_key, **PLACE, sealed=sealed) == b"secret"


def test_no_two_blobs_are_alike(vault: Vault) -> None:
    data_key = vault.new_data_key(MERCHANT)
    blobs = {vault.seal(data_key, **PLACE, plaintext=b"") for _ in range(100)}
    assert len(blobs) == 100
    assert vault.new_data_key(MERCHANT) != vault.new_data_key(MERCHANT)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"table": "channel_accounts"},
        {"column": "secret"},
        {"row": "key_2"},
        {"version": 2},
        {"table": "keysm", "column": "aterial"},  # the same letters, cut elsewhere
    ],
)
def test_a_blob_opens_in_no_other_place(vault: Vault, elsewhere: dict) -> None:
    data_key = vault.new_data_key(MERCHANT)
    sealed = vault.seal(data_key, **PLACE, plaintext=b"secret")
    with pytest.raises(SecretUnreadable):
        vault.open(data_key, **(PLACE | elsewhere), sealed=sealed)


def test_another_merchants_key_opens_nothing(vault: Vault) -> None:
    mine, theirs = vault.new_data_key(MERCHANT), vault.new_data_key(OTHER)
    sealed = vault.seal(mine, **PLACE, plaintext=b"secret")
    with pytest.raises(SecretUnreadable):
        vault.open(theirs, **PLACE, sealed=sealed)
    with pytest.raises(SecretUnreadable):
        vault.open(mine, **(PLACE | {"merchant_id": OTHER}), sealed=sealed)
    # Also when the data key itself was moved, and when it had been opened rightly before.
    with pytest.raises(SecretUnreadable):
        vault.seal(mine, **(PLACE | {"merchant_id": OTHER}), plaintext=b"")


@given(bit=st.integers(0, (BLOB_BYTES_MIN + 6) * 8 - 1))
def test_every_bit_counts(bit: int) -> None:
    vault = Vault({1: OLD})
    data_key = vault.new_data_key(MERCHANT)
    sealed = bytearray(vault.seal(data_key, **PLACE, plaintext=b"secret"))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecretUnreadable):
        vault.open(data_key, **PLACE, sealed=bytes(sealed))


@given(cut=st.integers(0, BLOB_BYTES_MIN + 5))
def test_a_cut_blob_is_unreadable(cut: int) -> None:
    vault = Vault({1: OLD})
    data_key = vault.new_data_key(MERCHANT)
    sealed = vault.seal(data_key, **PLACE, plaintext=b"secret")
    with pytest.raises(SecretUnreadable):
        vault.open(data_key, **PLACE, sealed=sealed[:cut])


def test_installation_keys_know_purpose_and_number(vault: Vault) -> None:
    sealed = vault.seal_root("fingerprint", 1, b"k" * 32)
    assert vault.open_root("fingerprint", 1, sealed) == b"k" * 32
    for purpose, number in (("cursor", 1), ("fingerprint", 2)):
        with pytest.raises(SecretUnreadable):
            vault.open_root(purpose, number, sealed)
    with pytest.raises(SecretUnreadable):
        Vault({1: NEW}).open_root("fingerprint", 1, sealed)


def test_rotation_of_the_root_key(vault: Vault) -> None:
    data_key = vault.new_data_key(MERCHANT)
    root = vault.seal_root("cursor", 1, b"k" * 32)
    sealed = vault.seal(data_key, **PLACE, plaintext=b"secret")

    both = Vault({1: OLD, 2: NEW})
    assert both.open(data_key, **PLACE, sealed=sealed) == b"secret"
    wrapped, wrapped_root = (
        both.rewrap_data_key(MERCHANT, data_key),
        both.rewrap_root("cursor", 1, root),
    )
    assert wrapped is not None
    assert wrapped_root is not None
    assert both.rewrap_data_key(MERCHANT, wrapped) is None

    after = Vault({2: NEW})  # the old key is retired
    assert after.open(wrapped, **PLACE, sealed=sealed) == b"secret"
    assert after.open_root("cursor", 1, wrapped_root) == b"k" * 32
    with pytest.raises(SecretUnreadable):
        after.open(data_key, **PLACE, sealed=sealed)


def test_a_renewed_data_key_seals_anew_and_opens_what_was_before(vault: Vault) -> None:
    first = vault.new_data_key(MERCHANT)
    before = vault.seal(first, **PLACE, plaintext=b"old")
    second = vault.renew_data_key(MERCHANT, first)
    after = vault.seal(second, **PLACE, plaintext=b"new")
    assert vault.open(second, **PLACE, sealed=before) == b"old"
    assert vault.open(second, **PLACE, sealed=after) == b"new"
    with pytest.raises(SecretUnreadable):
        vault.open(first, **PLACE, sealed=after)


def test_payers_have_keys_of_their_own(vault: Vault) -> None:
    data_key = vault.new_data_key(MERCHANT)
    secrets = MerchantSecrets(vault, lambda merchant_id: data_key)
    payer, other = "ab" * 16, "cd" * 16
    key = secrets.open_payer_key(MERCHANT, payer, sealed := secrets.new_payer_key(MERCHANT, payer))
    fields = secrets.seal_fields(key, MERCHANT, payer, b"{}")
    assert secrets.open_fields(key, MERCHANT, payer, fields) == b"{}"
    for wrong in (
        lambda: secrets.open_payer_key(MERCHANT, other, sealed),
        lambda: secrets.open_fields(key, MERCHANT, other, fields),
        lambda: secrets.open_fields(b"x" * 32, MERCHANT, payer, fields),
    ):
        with pytest.raises(SecretUnreadable):
            wrong()


@pytest.mark.parametrize("keys", [{}, {1: b"short"}, {1: OLD, 2: b""}])
def test_unfit_root_keys_are_refused(keys: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


def test_nothing_secret_is_shown(vault: Vault) -> None:
    assert "o" * 8 not in repr(vault)
    data_key = vault.new_data_key(MERCHANT)
    sealed = vault.seal(data_key, **PLACE, plaintext=b"canary-canary")
    with pytest.raises(SecretUnreadable) as caught:
        vault.open(data_key, **(PLACE | {"row": "key_2"}), sealed=sealed)
    assert "canary" not in str(caught.value)
