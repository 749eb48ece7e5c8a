from fastpath._signature_terms import Authorization

def parse_authorization(header: bytes) -> Authorization: ...
def build_message(
    method: bytes, target: bytes, ts_text: bytes, nonce: bytes, body: bytes
) -> bytes: ...
def verify_hmac_sha256(secret: bytes, message: bytes, signature: bytes) -> bool: ...
def verify_request_hmac(
    secret: bytes,
    method: bytes,
    target: bytes,
    ts_text: bytes,
    nonce: bytes,
    body: bytes,
    signature: bytes,
) -> bool: ...
def in_window(ts: int, now: int, window: int = 300) -> bool: ...
