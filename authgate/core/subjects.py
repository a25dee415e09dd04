"""The user ids of several issuers. The same `sub` at two issuers is two people, so each issuer may have a prefix.

Non-empty prefixes do not begin with one another (`config/subject_prefixes.py`), and no id without a prefix begins with
one of them. Upper and lower case make no difference in this, because many services and databases ignore it. So an
id that services get belongs to one issuer, or to the issuers without a prefix. The prefix is added here and nowhere
else: to what a credential proves, before it is cached, and to what a session store answers. It is a part of the
issuer's fingerprint, so no cached proof has an old prefix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from authgate.core.errors import Refused
from authgate.core.proof import Proven
from authgate.core.quick_dataclass import replaced
from authgate.core.quoting import quoted
from authgate.core.reasons import Reason

if TYPE_CHECKING:
    from authgate.core.identity import Identity
    from authgate.core.proof import Proof
    from authgate.core.snapshot import Issuer


def with_prefix_in(proof: Proof, issuer: Issuer) -> Proof:
    """Return *proof* of *issuer* with the prefix in the identity that it has, if it has one."""
    if not issuer.subject_prefix and not issuer.other_prefixes:
        return proof
    if isinstance(proof, Proven):
        return Proven(identity=with_prefix(proof.identity, issuer))
    return proof if proof.copy is None else replace(proof, copy=with_prefix(proof.copy, issuer))


def with_prefix(identity: Identity, issuer: Issuer) -> Identity:
    """Return *identity* with the prefix of *issuer* before its user ids: `subject` and `impersonated_by`."""
    subject, actor = prefixed(identity.subject, issuer), identity.impersonated_by
    actor = prefixed(actor, issuer) if actor else actor
    return replaced(identity, subject=subject, impersonated_by=actor) if issuer.subject_prefix else identity


def prefixed(user_id: str, issuer: Issuer) -> str:
    """Return *user_id* with the prefix of *issuer*.

    Raise `Refused` if the issuer has no prefix and the id begins with that of another issuer.
    """
    if user_id.casefold().startswith(issuer.other_prefixes):
        raise Refused(
            Reason.FOREIGN_SUBJECT,
            f"issuer {issuer.name} has no subject_prefix, and its user id {quoted(user_id)} begins with that of "
            "another issuer",
        )
    return issuer.subject_prefix + user_id
