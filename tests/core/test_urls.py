"""URLs that AuthGate fetches: which ones are unfit, and the message for each."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from authgate.core.urls import MAX_URL_CHARACTERS, url_fault

GOOD = [
    "https://issuer.example/jwks",
    "https://issuer.example",
    "HTTPS://Issuer.Example:8443/jwks?tenant=a&b=%20",
    "https://issuer.example./jwks",
    "https://better_auth:3000/api/auth/jwks",
    "https://localhost/jwks",
    "https://xn--bcher-kva.example/",
    "https://10.0.0.1:1/jwks",
    "https://[2001:db8::1]:8443/jwks",
    "https://3com.example/",
    "https://issuer.0x.example/",
    "https://1.2.3.4.example/",
    "https://" + "a" * 253,
    "https://a/" + "a" * (MAX_URL_CHARACTERS - 10),
]
FORM = "is longer than 2048 characters, or holds white space, a backslash or non-ASCII characters"
NO_HOST = "names no host: neither a name nor an IP address in its usual form"
NOT_HTTPS = "is not an https URL"
CREDENTIALS = "holds credentials, which logs would show"
UNFIT = {
    "": FORM,
    "https://issuer.example/jw ks": FORM,
    "https://issuer.example/\n": FORM,
    "https://issuer.example\\@evil.example/": FORM,
    "https://bücher.example/": FORM,
    "https://\u2170ssuer.example/": FORM,
    "https://" + "a" * (MAX_URL_CHARACTERS - 7): FORM,
    "file:///etc/passwd": NOT_HTTPS,
    "ftp://issuer.example/jwks": NOT_HTTPS,
    'data:application/json,{"keys":[]}': NOT_HTTPS,
    "gopher://issuer.example/": NOT_HTTPS,
    "unix:/run/socket": NOT_HTTPS,
    "//issuer.example/jwks": NOT_HTTPS,
    "issuer.example/jwks": NOT_HTTPS,
    "issuer.example:443/jwks": NOT_HTTPS,
    "/jwks": NOT_HTTPS,
    "https:///jwks": NO_HOST,
    "https://-issuer.example/": NO_HOST,
    "https://issuer.example-/": NO_HOST,
    "https://" + "a" * 254: NO_HOST,
    "https:issuer.example": NO_HOST,
    "https://:443/jwks": NO_HOST,
    "https://issuer.example:0/": NO_HOST,
    "https://issuer.example:99999/": "is not a URL",
    "https://issuer.example:port/": "is not a URL",
    "https://[::1/": "is not a URL",
    "https://user:password@issuer.example/": CREDENTIALS,
    "https://issuer.example@evil.example/": CREDENTIALS,
    "https://@issuer.example/": CREDENTIALS,
    "https://issuer.example/jwks#keys": "has a fragment (#), which is never sent",
    "https://issuer.example/jwks#": "has a fragment (#), which is never sent",
    # Some parsers read these as names, others as addresses.
    "https://127.1/": NO_HOST,
    "https://2130706433/": NO_HOST,
    "https://0x7f000001/": NO_HOST,
    "https://0x7F.1/": NO_HOST,
    "https://0251.0376.0251.0376/": NO_HOST,
    "https://169.254.169.254./": NO_HOST,
    "https://1.2.3.4.5/": NO_HOST,
    "https://name.0x/": NO_HOST,
    "https://0/": NO_HOST,
    "https://%31%36%39.254.169.254/": NO_HOST,
    "https://a%2fb.example/": NO_HOST,
    "https://a!b.example/": NO_HOST,
    "https://a..b/": NO_HOST,
    "https://./": NO_HOST,
    "https://[v1.x]/": NO_HOST,
    "https://[fe80::1%25eth0]/": NO_HOST,
}


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_has_no_fault(url: str) -> None:
    assert url_fault(url, allow_http=False) is None


@pytest.mark.parametrize(("url", "fault"), UNFIT.items(), ids=UNFIT)
@pytest.mark.parametrize("allow_http", [True, False])
def test_j6_an_unfit_url_has_a_fault(url: str, fault: str, allow_http: bool) -> None:  # noqa: FBT001 - a case
    assert url_fault(url, allow_http=allow_http) == fault


@pytest.mark.parametrize("url", ["http://issuer.example/", "HTTP://issuer.example/"])
def test_plain_http_is_unfit_unless_allowed(url: str) -> None:
    fault = url_fault(url, allow_http=False)
    assert fault is not None
    assert fault.startswith("is plain http")
    assert fault.endswith("use https, or set allow_http")
    assert url_fault(url, allow_http=True) is None


HOSTS = st.text("abcx0123456789.-_:[]%@/\\?#!", max_size=24)


@given(host=HOSTS)
@example(host="][::")
@example(host="a[::1]")
@example(host="[::1]a")
def test_the_http_client_reads_the_same_host_from_a_good_url(host: str) -> None:
    url = f"https://{host}/path"
    if url_fault(url, allow_http=False) is None:
        parts, client_url = urlsplit(url), URL(url)
        assert client_url.host
        assert client_url.port == (parts.port or 443)
        assert client_url.host == (str(ip_address(parts.hostname or "")) if ":" in client_url.host else parts.hostname)
