"""Headers with which clients claim another identity, in every spelling that some server reads."""

from __future__ import annotations

SPOOFS: dict[str, tuple[str, ...]] = {
    "as emitted": ("X-User-Id: admin", "X-User-Roles: admin", "X-User-Email: admin@example.com", "X-User-Name: Admin"),
    "lower case": ("x-user-id: admin", "x-user-roles: admin"),
    "upper case": ("X-USER-ID: admin", "X-USER-ROLES: admin"),
    "underscores": ("X_User_Id: admin", "X_USER_ROLES: admin"),
    "mixed": ("X-User_Id: admin", "X_User-Roles: admin"),
    "twice": ("X-User-Id: admin", "X-User-Id: root"),
    "twice in two spellings": ("X-User-Id: admin", "x-user-id: root", "X_User_Id: other"),
    "empty first": ("X-User-Id:", "X-User-Id: admin"),
    "a list": ("X-User-Id: admin, root",),
}
# Connection headers that delete or add a header at the next hop (H2, H4). AuthGate refuses them, or the proxy is not
# affected.
CONNECTIONS: dict[str, tuple[str, ...]] = {
    "Connection names the header": ("X-User-Id: admin", "Connection: X-User-Id"),
    "Connection in lower case": ("X-User-Id: admin", "Connection: close, x-user-id"),
    "Connection names all": ("Connection: x-user-id, x-user-roles, authorization, cookie, x-forwarded-for",),
    "Connection names what AuthGate reads": ("Connection: X-Forwarded-Uri, X-Forwarded-Method, X-Original-URL",),
}
