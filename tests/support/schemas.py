"""Check Kubernetes documents with Kubernetes' own schemas. An unknown field is a fault.

They do not include the custom resources of the manifests, so this module has schemas for those, with only the fields in
use. tests/deploy/test_central.py tests the values with the real Traefik; cert-manager is not run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.manifests import Document

STRING = {"type": "string", "minLength": 1}
STRINGS = {"type": "array", "items": STRING, "minItems": 1}
BOOLEAN = {"type": "boolean"}
DURATION = {"type": "string", "pattern": r"^\d+h$"}


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with only these properties."""
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


NAMES = {"type": "array", "items": closed("name", name=STRING, namespace=STRING), "minItems": 1}
PORT = {"anyOf": [STRING, {"type": "integer"}]}
SERVICE = closed("name", "port", name=STRING, port=PORT)
TRAEFIK_SERVICE = closed("kind", "name", kind={"const": "TraefikService"}, name=STRING)
SERVICES = {"type": "array", "items": {"anyOf": [SERVICE, TRAEFIK_SERVICE]}, "minItems": 1}

SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("traefik.io/v1alpha1", "Middleware"): closed(
        forwardAuth=closed(
            "address",
            "trustForwardHeader",
            "authResponseHeaders",
            address=STRING,
            trustForwardHeader=BOOLEAN,
            maxResponseBodySize={"type": "integer"},
            authResponseHeaders=STRINGS,
            tls=closed("caSecret", "certSecret", caSecret=STRING, certSecret=STRING),
        ),
        headers=closed(customRequestHeaders={"type": "object", "additionalProperties": {"type": "string"}}),
        chain=closed("middlewares", middlewares=NAMES),
        ipAllowList=closed("sourceRange", sourceRange=STRINGS, rejectStatusCode={"type": "integer"}),
    ),
    ("traefik.io/v1alpha1", "IngressRoute"): closed(
        "routes",
        entryPoints=STRINGS,
        tls=closed(secretName=STRING),
        routes={
            "type": "array",
            "items": closed(
                "kind",
                "match",
                "middlewares",
                "services",
                kind={"const": "Rule"},
                match=STRING,
                priority={"type": "integer"},
                middlewares=NAMES,
                services=SERVICES,
            ),
        },
    ),
    ("cert-manager.io/v1", "Issuer"): closed(selfSigned=closed(), ca=closed("secretName", secretName=STRING)),
    ("cert-manager.io/v1", "Certificate"): closed(
        "secretName",
        "issuerRef",
        isCA=BOOLEAN,
        commonName=STRING,
        dnsNames=STRINGS,
        secretName=STRING,
        usages={"type": "array", "items": {"enum": ["digital signature", "server auth", "client auth"]}},
        duration=DURATION,
        renewBefore=DURATION,
        privateKey=closed(
            algorithm={"enum": ["ECDSA"]}, size={"enum": [256]}, rotationPolicy={"enum": ["Always", "Never"]}
        ),
        issuerRef=closed("name", "kind", name=STRING, kind={"const": "Issuer"}),
    ),
}


def schema_faults(documents: Sequence[Document], version: str) -> list[str]:
    """Return the faults of the documents by the schemas of this *version* of Kubernetes and ours."""
    import kubernetes_validate  # noqa: PLC0415 - it takes a second, in each process that collects the tests

    faults = []
    for document in documents:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{document['kind']} {document['metadata']['name']}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError:
            faults += custom_resource_faults(document)
    return faults


def custom_resource_faults(document: Document) -> list[str]:
    """Return the faults in the spec of a custom resource. An unknown kind is a fault."""
    import jsonschema  # noqa: PLC0415 - as above

    schema = SPECS.get((document["apiVersion"], document["kind"]))
    if schema is None:
        return [f"no schema for {document['apiVersion']} {document['kind']}"]
    validator = jsonschema.Draft202012Validator(schema)
    where = f"{document['kind']} {document['metadata']['name']}"
    return [f"{where}: {error.message}" for error in validator.iter_errors(document["spec"])]
