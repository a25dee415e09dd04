"""The sign-in pages of a configuration: where browsers are sent, and what an operator should know of them."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

from authgate.core.errors import Problem, Refused
from authgate.core.policy import Access
from authgate.core.request import make_request, split_authority
from authgate.core.sign_in import DEFAULT_PORTS, SignIn, port_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate.config.model import Config
    from authgate.core.policies import Policies
    from authgate.core.policy import Policy
    from authgate.core.request import Request
    from authgate.presets.preset import LoadedIssuer


def make_sign_in(
    config: Config, entries: tuple[LoadedIssuer, ...], url: str | None, data: frozenset[str]
) -> SignIn | None:
    """Return where browsers sign in at *url*; None if *url* is None.

    *entries* are the issuers of *config*. *data* are the settings of `paths` that say `data`.
    """
    if url is None:
        return None
    page = _request(url)
    return SignIn(
        url=url,
        host=page.host,
        port=port_key(page.scheme, page.port),
        path=page.path,
        parameter=config.return_parameter,
        return_hosts=frozenset(_return_hosts(config, entries)),
        https_hosts=frozenset(host for scheme, host in _named_hosts(config, entries) if scheme == "https"),
        data=data,
    )


def problems(config: Config, made: Policies) -> Iterator[Problem]:
    """Yield the sign-in pages of *config* that nobody can open, and those that have the return parameter already."""
    for setting, url in _configured(config):
        policy = _policy_of(made, url)
        if policy is not None and policy.access is Access.REQUIRE and _request(url).host in policy.match.hosts:
            yield Problem(
                setting=setting,
                message=f"the policy {policy.name} names this host and requires a signed-in user for the sign-in page",
                fix=f"before that policy, add {_public(config, url)}, and one like it for the page's own files",
            )
        if config.return_parameter in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)):
            message = f"has the parameter {config.return_parameter}, in which AuthGate gives the address to go back to"
            yield Problem(setting=setting, message=message, fix="remove it, or set another return_parameter")


def warnings(config: Config, made: Policies) -> Iterator[str]:
    """Yield the sign-in pages that nobody can open if AuthGate is asked about them."""
    for setting, url in _configured(config):
        policy = _policy_of(made, url)
        if policy is not None and policy.access is Access.REQUIRE:
            fix = "ask AuthGate about other paths only"
            if config.policies is not None:
                fix = f"before it, add {_public(config, url)}, and one like it for the page's own files"
            yield (
                f"{setting}: the policy {policy.name} requires a signed-in user for the sign-in page too. If the proxy "
                f"asks AuthGate about {url}, nobody can sign in: {fix}"
            )


def _configured(config: Config) -> Iterator[tuple[str, str]]:
    """Yield each sign-in page once, with the setting that names it first."""
    named = [("login_url", config.login_url)]
    policies = enumerate(config.policies or ())
    named += [(f"policies[{number}].login_url", policy.login_url) for number, policy in policies]
    seen = set()
    for setting, url in named:
        if url is not None and url not in seen:
            seen.add(url)
            yield setting, url


def _policy_of(made: Policies, url: str) -> Policy | None:
    """Return the policy that a browser meets at *url*; None if there is none, or if it depends on the client."""
    try:
        return made.find(_request(url))[0]
    except Refused:
        return None


def _request(url: str) -> Request:
    parts = urlsplit(url)
    return make_request(
        method="GET",
        scheme=parts.scheme,
        authority=parts.netloc,
        target=f"{parts.path or '/'}?{parts.query}",
        headers=CIMultiDict(),
        adapter="",
    )


def _public(config: Config, url: str) -> str:
    """Return a policy that makes the sign-in page public, under a name that no other policy has."""
    page = _request(url)
    taken = {policy.name for policy in config.policies or ()}
    names = chain(("sign-in", "sign-in-page"), map("sign-in-{}".format, count(2)))
    name = next(name for name in names if name not in taken)
    return f"{{name: {name}, match: {{host: {page.host}, path: {page.path}}}, public: true}}"


def _return_hosts(config: Config, entries: tuple[LoadedIssuer, ...]) -> Iterator[tuple[str, int | None]]:
    """Yield the hosts that users may be sent back to, each with its port; None for the usual one of its scheme."""
    for name in config.return_hosts or ():
        host, port = split_authority(name)
        yield host, None if port in DEFAULT_PORTS.values() else port
    if config.return_hosts is not None:
        return
    yield from (host for _, host in _named_hosts(config, entries))
    for policy in config.policies or ():
        yield from ((host, None) for host in policy.match.host if not host.startswith("*."))


def _named_hosts(config: Config, entries: tuple[LoadedIssuer, ...]) -> Iterator[tuple[str, tuple[str, int | None]]]:
    """Yield the scheme of each sign-in page and of each issuer's `url`, and its host with the port."""
    for url in (*(url for _, url in _configured(config)), *(url for entry in entries for url in entry.config.urls)):
        page = _request(url)
        yield page.scheme, (page.host, port_key(page.scheme, page.port))
