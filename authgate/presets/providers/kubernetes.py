"""Preset `kubernetes`: tokens of a cluster's service accounts. docs/issuers/kubernetes.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from authgate.config._outbound import redacted
from authgate.config._types import NonEmpty
from authgate.config._yaml import in_one_line
from authgate.core.demands import has, lists
from authgate.core.errors import Problem
from authgate.core.reasons import Reason
from authgate.presets.other_kinds import OtherKind
from authgate.presets.provider import Facts, OneOrMore, ProviderIssuer, matching, provider
from authgate.presets.settings import KEY_SETTINGS, URL_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_USUAL_ISSUER = "https://kubernetes.default.svc.cluster.local"  # kubeadm, kind, k3s, Talos
_API_SERVER = "https://kubernetes.default.svc"  # its name in its own cluster, whatever `iss` is
_OF_API_SERVER = re.compile(rf"{re.escape(_API_SERVER)}(?![a-z0-9-]).*")
# The audiences of API servers: their name, or an IP address; and the words that distributions use.
_AUDIENCE_OF_API_SERVER = re.compile(
    r"https://(?:kubernetes\.default(?![a-z0-9-])|[0-9.]+(?![0-9a-z.-])|\[).*|k3s|rke2|any"
)
_POD = "/var/run/secrets/kubernetes.io/serviceaccount"
_NAMESPACE = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ACCOUNT = rf"{_NAMESPACE}/[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?"

_FIX_ISSUER = "run `kubectl get --raw /.well-known/openid-configuration` and copy the value of issuer"
_FIX_AUDIENCE = "choose a name for your API, such as its URL; write it here, and in the token volumes of its callers"
_FIX_ACCOUNTS = "list service_accounts or namespaces; or write namespaces: any, and let policies decide"
_FIX_KEYS = "remove it; outside the cluster, save the answer of `kubectl get --raw /openid/v1/jwks` and set jwks_file"

_LONG_LIVED = "kubernetes/serviceaccount"  # the `iss` of tokens in Secrets, in every cluster
_PAGE = "docs/issuers/kubernetes.md"


def _issuer(iss: str) -> str:
    if iss == _LONG_LIVED:
        raise ValueError(f"is the `iss` of tokens in Secrets, which never expire and are not accepted\n{_FIX_ISSUER}")
    if "/.well-known/" in iss:
        raise ValueError(f"{redacted(iss, 200)} is the address of a document\n{_FIX_ISSUER}")
    if re.fullmatch(r"https://[^/]+\.oic\.prod-aks\.azure\.com/.*[^/]", iss):
        raise ValueError(f"{redacted(iss, 200)} has no / at the end, as it has in AKS\nadd it")
    return iss


def _other_kinds(issuer: str, audiences: Sequence[str]) -> tuple[OtherKind, ...]:
    """Return what pods send instead of a token for one of *audiences*."""
    volume = in_one_line("serviceAccountToken", {"path": "token", "audience": next(iter(audiences), "…")})
    manifest = f"The pod's manifest sets the audience: `{volume}` in a projected volume ({_PAGE})."
    return (
        OtherKind(
            claims={"iss": _LONG_LIVED},
            sentence="This is a service account's token from a Secret. It never expires and has no audience. Let the "
            f"pod send the token of a projected volume instead: {_PAGE}.",
        ),
        OtherKind(
            claims={"aud": f"{_OF_API_SERVER.pattern}|{re.escape(issuer)}"},
            reason=Reason.WRONG_AUDIENCE,
            sentence=f"This token is for the API server: a service that gets it can act as the pod. {manifest}",
        ),
        OtherKind(claims={'"kubernetes.io".namespace': ".+"}, reason=Reason.WRONG_AUDIENCE, sentence=manifest),
    )


_Account: TypeAlias = Annotated[
    str, matching(_ACCOUNT, "namespace/name", "write it like shop/worker; or set namespaces")
]
_Namespace: TypeAlias = Annotated[
    str, matching(_NAMESPACE, "a namespace", "write it like shop; or set service_accounts")
]


_OF_NAMESPACE = '"kubernetes.io".namespace'


class KubernetesIssuer(ProviderIssuer):
    """Tokens of a Kubernetes cluster's service accounts, as pods have them in a projected volume."""

    asks: ClassVar[tuple[str, ...]] = ("audiences", "service_accounts")
    alternatives: ClassVar[tuple[str, ...]] = ("service_accounts", "namespaces")
    audiences_fix: ClassVar[str] = _FIX_AUDIENCE

    preset: Literal["kubernetes"]
    """kubernetes: the issuer is a Kubernetes cluster."""
    issuer: Annotated[NonEmpty, AfterValidator(_issuer)] | None = None
    """The exact `iss` of the cluster's tokens. Default: https://kubernetes.default.svc.cluster.local. EKS, GKE and AKS
    have others."""
    in_cluster: Annotated[bool | None, Field(strict=True)] = None
    """true: take the keys from the API server of the cluster that AuthGate runs in, and show it the token of AuthGate's
    pod. This sets jwks_url, jwks_token_file and ca_file. false: take them from the metadata of `issuer`. Default: true
    if `issuer` is left out or begins with https://kubernetes.default.svc."""
    service_accounts: Annotated[OneOrMore[_Account] | None, Field(examples=["shop/worker"])] = None
    """The service accounts whose tokens are accepted, each as namespace/name. Set this or `namespaces`."""
    namespaces: Literal["any"] | OneOrMore[_Namespace] | None = None
    """The namespaces whose service accounts are accepted; or any, if policies decide. Every pod of the cluster can get
    a token for your audience."""

    @classmethod
    def own_settings(cls) -> frozenset[str]:
        """Return the settings that preset jwt does not have, and `issuer`, which has a default."""
        return super().own_settings() | {"issuer"}

    @classmethod
    def spelled_out(cls, settings: Mapping[str, object]) -> Mapping[str, object]:
        """Return the default of in_cluster: people have to know that AuthGate must run in the cluster."""
        return {} if "issuer" in settings else {"in_cluster": True}

    def facts(self) -> Facts:
        """Return what follows from these settings."""
        issuer = self.issuer or _USUAL_ISSUER
        in_cluster = bool(_OF_API_SERVER.fullmatch(issuer)) if self.in_cluster is None else self.in_cluster
        named = self.namespaces if isinstance(self.namespaces, list) else []
        accounts = [f"system:serviceaccount:{one.replace('/', ':')}" for one in self.service_accounts or ()]
        return Facts(
            issuer=issuer,
            # The jwks_uri in the API server's metadata is often an address that pods cannot reach.
            jwks_url=f"{_API_SERVER}/openid/v1/jwks" if in_cluster else None,
            fetching={"jwks_token_file": f"{_POD}/token", "ca_file": f"{_POD}/ca.crt"} if in_cluster else {},
            identity={"organization": [_OF_NAMESPACE]},
            demands=(
                has('"kubernetes.io".serviceaccount.name'),
                has(_OF_NAMESPACE),
                *((lists("service_accounts", "sub", accepted=accounts, names_client=True),) if accounts else ()),
                *((lists("namespaces", _OF_NAMESPACE, accepted=named, names_client=True),) if named else ()),
            ),
            other_kinds=_other_kinds(issuer, self.audiences if isinstance(self.audiences, list) else ()),
        )

    def problems(self, setting: str, wrong: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the accounts, the audiences, and the place of the keys."""
        yield from super().problems(setting, wrong)
        known = not any(path.startswith(("service_accounts", "namespaces")) for path in wrong)
        if known and self.service_accounts is None and self.namespaces is None:
            message = "is missing: every pod of the cluster can get a token for your audience"
            yield Problem(setting=f"{setting}.service_accounts", message=message, fix=_FIX_ACCOUNTS)
        if known and self.service_accounts is not None and self.namespaces is not None:
            yield Problem(setting=f"{setting}.namespaces", message="and service_accounts are both set", fix="keep one")
        given = ["any"] if self.audiences == "any" else self.audiences or []
        for audience in [] if any(path.startswith("audiences") for path in wrong) else given:
            if audience == self.issuer or _AUDIENCE_OF_API_SERVER.fullmatch(audience):
                message = f"{redacted(audience)} accepts tokens for the API server: your services could act as the pod"
                yield Problem(setting=f"{setting}.audiences", message=message, fix=_FIX_AUDIENCE)
        names_keys = any(map(self.is_written, KEY_SETTINGS))
        if self.in_cluster is False and not names_keys and _OF_API_SERVER.fullmatch(self.issuer or ""):
            message = "is false, but only the API server has the keys of this issuer"
            yield Problem(setting=f"{setting}.in_cluster", message=message, fix=_FIX_KEYS)

    def advice(self) -> Iterator[str]:
        """Yield an issuer that is probably the address of the API server, and keys fetched without the token."""
        if not re.match(r"https://(?!\d+\.\d+\.\d+\.\d+|\[)", self.issuer or _USUAL_ISSUER):
            shown = redacted(self.issuer or _USUAL_ISSUER, 200)
            yield f"issuer {shown} is probably not the `iss` of the cluster's tokens: {_FIX_ISSUER}"
        is_elsewhere = any(map(self.is_written, URL_SETTINGS)) and not self.keys_follow
        if self.in_cluster and is_elsewhere and not self.is_written("jwks_token_file"):
            yield (
                "AuthGate sends the token of its pod only to the API server's usual address. For the address that you "
                "wrote, set jwks_token_file and ca_file, if it is the API server's; else remove in_cluster"
            )


PRESET = provider(KubernetesIssuer, "Kubernetes")
