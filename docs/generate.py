"""Makes docs/configuration.md from the configuration's model and docs/reasons.md from the table of reasons.

Run `make docs` after a change; tests/test_docs.py compares.
"""

from __future__ import annotations

import inspect
import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from authgate.config.model import Config
from authgate.core.identity import FIELDS
from authgate.core.reasons import REASONS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
_WORDS = {bool: "true \\| false", float: "number", int: "number", IPv4Network: "network", IPv6Network: "network"}

_REASONS = """\
# Reasons

<!-- made by docs/generate.py: do not edit -->

Every refusal has one reason. It stands in the log line, in the metric `authgate_decisions_total{reason=…}`, in the reply's
`X-AuthGate-Reason` and in the problem+json that the client gets. `authgate explain` shows which check failed, and why.

*Status* is what Traefik and Caddy relay; nginx gets 403 in place of 400. *Fault* says who has to act: the client, the operator,
or AuthGate itself.

Why one request gets its answer, check by check: `echo $TOKEN | authgate explain`; or the whole request from a file, as the
client sent it, or as the proxy asked (`{"adapter": "nginx", "headers": …}`):

```
echo '{"method": "POST", "url": "https://app.example.com/api/x", "headers": {"Cookie": "access_token=…", "Origin": "https://app.example.com"}}' > request.json
authgate explain --request request.json
```

| Reason | Status | OAuth error | Fault | The client reads | What to do |
|---|---|---|---|---|---|
"""

_CONFIGURATION = """\
# Configuration

<!-- made by docs/generate.py: do not edit -->

AuthGate reads a YAML file (`--config FILE`, else `AUTHGATE_CONFIG`) and the environment. `authgate check` validates both and
prints what they come to; `authgate check --schema` prints a JSON schema for editors. Every mistake is reported at once, with
the setting, what is wrong and how to mend it; the exit code is 78.

## Environment

In the image (`AUTHGATE_IN_CONTAINER=true`) the defaults of `listen` and `admin.listen` are `0.0.0.0:4190` and `0.0.0.0:4191`.

Without `issuers` in a file, the environment names the issuers, one for each library whose secret is set:

| Variable | Issuer | Meaning |
|---|---|---|
| `JWT_SECRET` | `jwt` | The shared secret of HS256 tokens, at least 32 bytes. |
| `BETTER_AUTH_SECRET` | `better-auth`, `jwt` | Better Auth's secret: its session cookies, and HS256 JWTs that you sign under it. If `JWT_SECRET` is set, too, they must be equal. |
| `BETTER_AUTH_SECRETS` | `better-auth` | Several, as Better Auth reads it: `2:new,1:old`, the first is current. What was encrypted under `BETTER_AUTH_SECRET` beside it still opens; there is no issuer `jwt` then. |
| `BETTER_AUTH_URL` | `better-auth` | `url`: names of cookies, issuer and audience of its JWTs, and where keys and sessions are asked for. Without it only sessions with the cookie cache can be checked. Plain http is taken as it is, with a warning if it leaves this machine. |
| `AUTH_SECRET`, `AUTH_SECRET_1`, `_2`, `_3` | `authjs` | Auth.js's secrets, as it reads them: of the numbered ones the highest is current, `AUTH_SECRET` the oldest. |
| `AUTH_URL` | `authjs` | `url`: https means cookies with `__Secure-`. Without it both names count, with a warning. |
| `NEXTAUTH_SECRET`, `NEXTAUTH_URL` | `nextauth-v4` | The same for NextAuth 4, which has one secret. |
| `JWT_SECRET_FILE`, `BETTER_AUTH_SECRET_FILE`, `BETTER_AUTH_SECRETS_FILE`, `AUTH_SECRET_FILE`, `NEXTAUTH_SECRET_FILE` | | A file with what the variable of that name would hold; one newline at its end is not part of it. It is watched. Only one of the two may be set. |
| `AUTHGATE_AUDIENCE` | `jwt` | The accepted values of `aud`, separated by commas. Without it any passes, with a warning at start. |
| `AUTHGATE_ISSUER` | `jwt` | The exact `iss`. Without it any passes. |

These variables mean nothing beside a file that lists `issuers`; there an issuer names its own (`secret_env`). What has no
variable, as `check: always`, needs no file either: `AUTHGATE_ISSUERS` takes the list as YAML,
`AUTHGATE_ISSUERS='[{name: app, preset: better-auth, url: "https://app.example.com", secret_env: BETTER_AUTH_SECRET, sessions: {check: always}}]'`.

Every other `AUTHGATE_*` variable sets the top-level setting of that name, over the file's; two underscores nest
(`AUTHGATE_ADMIN__LISTEN`); lists are separated by commas or written as YAML (`[a, b]`). An unknown one is an error. The
variables that Kubernetes sets for a Service named `authgate` are recognised and ignored.

A rule of `headers` names one of: FIELDS; or `claims.<path>`, as `claims.org.id`.

## Settings

"""


def pages() -> dict[str, str]:
    """Return the text of each generated page by its file name."""
    return {"configuration.md": configuration(), "reasons.md": reasons()}


def reasons() -> str:
    """Return the page of all reasons for a refusal."""
    rows = [
        f"| `{reason}` | {row.status} | {row.oauth_error or ''} | {row.fault} | {row.text} | {row.fix} |\n"
        for reason, row in REASONS.items()
    ]
    return _REASONS + "".join(rows)


def configuration() -> str:
    """Return the page of all settings."""
    sections = [_CONFIGURATION.replace("FIELDS", ", ".join(f"`{name}`" for name in FIELDS)), _table(Config)]
    sections += [f"\n### `{name}`\n\n{inspect.getdoc(model)}\n\n{_table(model)}" for name, model in _models(Config)]
    sections.append(f"\n## Example\n\n```yaml\n{(DOCS / 'example.yaml').read_text()}```\n")
    return "".join(sections)


def _table(model: type[BaseModel]) -> str:
    rows = ["| Setting | Type | Default | Meaning |\n|---|---|---|---|\n"]
    for name, info in model.model_fields.items():
        description = " ".join((info.description or _nested(info.annotation).__doc__ or "").split())
        rows.append(f"| `{name}` | {_type(info.annotation)} | {_default(info)} | {description} |\n")
    return "".join(rows)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = to_jsonable_python(info.get_default())
    return "" if value is None else f"`{json.dumps(value)}`"


def _models(model: type[BaseModel], prefix: str = "") -> list[tuple[str, type[BaseModel]]]:
    """Return the models within *model*, at any depth, each under the name of its setting."""
    found = []
    for name, info in model.model_fields.items():
        inner = _nested(info.annotation)
        if inner is not NoneType:
            setting = f"{prefix}{name}[]" if get_origin(info.annotation) is list else f"{prefix}{name}"
            found += [(setting, inner), *_models(inner, f"{setting}.")]
    return found


def _nested(annotation: Any) -> Any:
    """Return the model within *annotation*, or NoneType."""
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), NoneType)


def _type(annotation: Any) -> str:
    """Return *annotation* in an operator's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict or _nested(annotation) is not NoneType:
        return "mapping"
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    if arguments:
        return " \\| ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    return _WORDS.get(annotation, "text")


if __name__ == "__main__":
    for file_name, text in pages().items():
        (DOCS / file_name).write_text(text)
        print(f"docs/{file_name}: {len(text.splitlines())} lines")
