"""Which URLs a merchant may give: one table per verdict."""

import pytest

from gateway.domain.errors import TillgateError
from gateway.domain.urls import URL_CHARS_MAX, UrlParts, check_url, is_loopback, parse_url

pytestmark = pytest.mark.fast

ALWAYS_FINE = [
    "https://example.com",
    "https://example.com/",
    "https://example.com/hooks/tillgate?shop=1&x=%E8%AE%A2",
    "https://example.com?x=1",
    "HTTPS://Example.COM:8443/a",
    "https://xn--fiqs8s.example/hook",
    "https://a_b.example./x",
    "https://93.184.216.34/hook",
    "https://[2606:4700:4700::1111]:65535/hook",
    "https://example.com:1/",
    "https://example.com/{ORDER}?a=@b:c",
    "https://1e3.example/",
    "https://example.com/" + "a" * (URL_CHARS_MAX - len("https://example.com/")),
]

SANDBOX_ONLY = [
    "http://127.0.0.1:9000/hook",
    "http://127.9.9.9/hook",
    "http://[::1]:9000/hook",
    "http://localhost:9000/hook",
    "http://LOCALHOST/hook",
]

NEVER_FINE = [
    "",
    "example.com/hook",
    "//example.com/hook",
    "https:/example.com",
    "https:///hook",
    "https://",
    "https://:443/",
    "https://example.com:/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:000443/",
    "https://example.com:+443/",
    "https://example.com:４４３/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "javascript://example.com/%0aalert(1)",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "http://example.com/hook",
    "http://10.0.0.1/hook",
    "http://localhost.example.com/hook",
    "http://127.0.0.1.example.com/hook",
    "http://[::ffff:127.0.0.1]/hook",
    "http://0.0.0.0/hook",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://@example.com/",
    "https://example.com/#there",
    "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https:\\\\example.com/",
    "https://exam ple.com/",
    " https://example.com/",
    "https://example.com/ ",
    "https://example.com/\n",
    "https://example.com/\r\nHost: internal",
    "https://example.com/\t",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://中国.example/hook",
    "https://example。com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://example.com/订单",
    "https://example.com/\ud800",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://256.1.1.1/",
    "https://1.2.3.4./",
    "https://example.0x/",
    "https://[::1",
    "https://[::1]x/",
    "https://[fe80::1%25eth0]/",
    "https://[1.2.3.4]/",
    "https://::1/",
    "https://%31%32%37.0.0.1/",
    "https://exa%6dple.com/",
    "https://-a.example/",
    "https://a-.example/",
    "https://a..example/",
    "https://.example/",
    "https://example..",
    "https://" + "a" * 64 + ".example/",
    "https://" + ".".join(["a" * 60] * 5) + "/",
    "https://example.com/" + "a" * (URL_CHARS_MAX - len("https://example.com/") + 1),
]


@pytest.mark.parametrize("url", ALWAYS_FINE)
@pytest.mark.parametrize("sandbox", [False, True])
def test_https_is_fine_everywhere(url: str, sandbox: bool) -> None:
    assert check_url(url, sandbox=sandbox) == url


@pytest.mark.parametrize("url", SANDBOX_ONLY)
def test_http_to_loopback_is_for_the_sandbox(url: str) -> None:
    assert check_url(url, sandbox=True) == url
    with pytest.raises(TillgateError) as refusal:
        check_url(url, sandbox=False, param="/url")
    assert (refusal.value.code, refusal.value.param) == ("url_not_allowed", "/url")


@pytest.mark.parametrize("url", NEVER_FINE)
@pytest.mark.parametrize("sandbox", [False, True])
def test_everything_else_is_refused(url: str, sandbox: bool) -> None:
    with pytest.raises(TillgateError) as refusal:
        check_url(url, sandbox=sandbox)
    assert refusal.value.code == "url_not_allowed"
    assert "secret" not in refusal.value.detail


def test_the_refusal_of_user_info_says_so() -> None:
    with pytest.raises(TillgateError, match="user info"):
        check_url("https://user:secret@example.com/", sandbox=False)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://Example.com/a", UrlParts("https", "example.com", 443)),
        ("http://example.com?x", UrlParts("http", "example.com", 80)),
        ("https://[2606:4700::AB]:8443/", UrlParts("https", "2606:4700::ab", 8443)),
        ("http://127.0.0.1:8080", UrlParts("http", "127.0.0.1", 8080)),
    ],
)
def test_parts(url: str, parts: UrlParts) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("::2", False),
        ("localhost.example", False),
        ("127.1", False),
    ],
)
def test_loopback_is_read_from_the_text_alone(host: str, verdict: bool) -> None:
    assert is_loopback(host) is verdict
