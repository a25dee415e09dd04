"""Hints about the tokens of pods: those that Kubernetes makes for its own API server, or without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate.cli.hints.spelling import as_yaml

if TYPE_CHECKING:
    from authgate.cli.hints.case import Case

_PAGE = "docs/issuers/kubernetes.md"
# pkg/serviceaccount/legacy.go writes this `iss` in every cluster.
_LONG_LIVED = "kubernetes/serviceaccount"


def token_of_a_secret(case: Case) -> str:
    """Say that the token is that of a Secret, which no setting makes acceptable."""
    payload = {} if case.jws is None else case.jws.payload
    if payload.get("iss") != _LONG_LIVED:
        return ""
    return (
        "This is a service account's token from a Secret. It never expires and has no audience. Let the pod send the "
        f"token of a projected volume instead: {_PAGE}."
    )


def audience_of_a_pod(case: Case) -> str:
    """Say where the audience of a pod's token is set, and if it is a token for the API server."""
    payload = {} if case.jws is None else case.jws.payload
    accepted = sorted(case.issuer.audiences or ()) if case.issuer is not None else []
    if not isinstance(payload.get("kubernetes.io"), dict) or not accepted:
        return ""
    audiences = payload["aud"] if isinstance(payload.get("aud"), list) else [payload.get("aud")]
    is_for_api = payload.get("iss") in audiences or any(
        isinstance(audience, str) and audience.startswith("https://kubernetes.default.svc") for audience in audiences
    )
    danger = "This token is for the API server: a service that gets it can act as the pod. " * is_for_api
    return (
        f"{danger}The pod's manifest sets the audience: `serviceAccountToken: {{path: token, audience: "
        f"{as_yaml(accepted[0])}}}` in a projected volume ({_PAGE})."
    )
