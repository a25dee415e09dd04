"""Generate docs/configuration.md, docs/metrics.md and docs/reasons.md from the code, and a table of README.md.

Run `make docs` after a change; tests/test_docs.py compares the pages with the code.
"""

from __future__ import annotations

import inspect
import json
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import NoneType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic_core import to_jsonable_python

from authgate import app_metrics, wiring
from authgate.adapters import ADAPTERS
from authgate.config import load
from authgate.config._annotations import is_list
from authgate.config._descriptions import described_fields
from authgate.config.model import Config
from authgate.config.rule_model import RuleConfig, ValuesConfig
from authgate.core.identity import FIELDS
from authgate.core.reasons import REASONS
from authgate.metrics import Metrics
from authgate.presets import PRESETS
from authgate.presets.provider import ProviderIssuer
from authgate.stores import STORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric
    from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
_WORDS = {bool: "true \\| false", float: "number", int: "number", IPv4Network: "network", IPv6Network: "network"}

_REASONS = """\
# Reasons

<!-- made by docs/generate.py: do not edit -->

Every refusal has one reason. You find it in the log line, in the metric `authgate_decisions_total{reason=…}`, in the reply's
header `X-AuthGate-Reason`, and in the problem+json that the client gets.

*Status* is what Traefik and Caddy relay to the client; nginx gets 403 instead of 400. *Fault* says who must act: the client, the
operator, or AuthGate itself.

To see why AuthGate refused one request, check by check, pipe its token into `authgate explain`. It also reads a `Cookie` or
`Authorization` header, several headers, or a curl command, such as a browser's "Copy as cURL":

```
echo "$TOKEN" | authgate explain
pbpaste | authgate explain
```

Or give it the whole request in a file, as the client sent it; `url` may be relative. You can also give it what the proxy asked:
`{"adapter": "nginx", "headers": …}`.

```
echo '{"method": "POST", "url": "https://app.example.com/api/x", "headers": {"Cookie": "access_token=…", "Origin": "https://app.example.com"}}' > request.json
authgate explain --request request.json
```

Below the check `policy` stands every policy that AuthGate looked at, with both values of what did not fit. Below `rules` stands each rule:
whether it is true, what it expects, and the actual value. Without a token, this shows which policy a request meets and what it asks for:

```
authgate explain --policy DELETE /admin/users/1
```

| Reason | Status | OAuth error | Fault | The client reads | What to do |
|---|---|---|---|---|---|
"""

_CONFIGURATION = """\
# Configuration

<!-- made by docs/generate.py: do not edit -->

AuthGate reads a YAML file (`--config FILE`, or `AUTHGATE_CONFIG`) and the environment.

| Command | What it does |
|---|---|
| `authgate init PROVIDER` | Asks for the few values of an [identity provider](issuers/README.md), or takes them as options, and writes `authgate.yaml`, with comments. |
| `authgate check` | Checks everything. Prints the verdict, warnings, what each issuer accepts, and the settings in effect. It reports every mistake at once: the setting, what is wrong, and the fix. The exit code is then 78. |
| `authgate check --schema` | Prints a JSON schema for your editor. |

## Environment

Without `issuers` in a file, the environment names the issuers: one for each library whose secret is set.

| Variable | Issuer | Meaning |
|---|---|---|
| `JWT_SECRET` | `jwt` | The shared secret of HS256 tokens, at least 32 bytes. |
| `BETTER_AUTH_SECRET` | `better-auth`, `jwt` | Better Auth's secret. It verifies its session cookies, and HS256 JWTs that you sign with it. If `JWT_SECRET` is set too, the two must be equal. |
| `BETTER_AUTH_SECRETS` | `better-auth` | Several secrets in Better Auth's form: `2:new,1:old`. The first is current. If `BETTER_AUTH_SECRET` is set too, what was encrypted with it still opens. There is no issuer `jwt` then. |
| `BETTER_AUTH_URL` | `better-auth` | The issuer's `url`: it gives the cookie names, issuer and audience of JWTs, and the address for keys and sessions. Without it AuthGate can check only sessions with the cookie cache. Plain http is accepted, with a warning if it leaves this machine. |
| `AUTH_SECRET`, `AUTH_SECRET_1`, `_2`, `_3` | `authjs` | Auth.js's secrets. The highest number is current, `AUTH_SECRET` is the oldest, as in Auth.js. |
| `AUTH_URL` | `authjs` | The issuer's `url`: https means cookies with `__Secure-`. Without it AuthGate accepts both names, with a warning. |
| `NEXTAUTH_SECRET`, `NEXTAUTH_URL` | `nextauth-v4` | The same for NextAuth 4, which has one secret. |
| `JWT_SECRET_FILE`, `BETTER_AUTH_SECRET_FILE`, `BETTER_AUTH_SECRETS_FILE`, `AUTH_SECRET_FILE`, `NEXTAUTH_SECRET_FILE` | | A file with the value of the variable of that name. AuthGate drops one newline at its end, and watches the file. Set only one of the two variables. |
| `AUTHGATE_AUDIENCE` | `jwt` | The accepted values of `aud`, separated by commas. Without it any `aud` passes, with a warning at the start. |
| `AUTHGATE_ISSUER` | `jwt` | The exact `iss`. Without it any `iss` passes. |

If a file lists `issuers`, AuthGate ignores the secrets and URLs above and rejects `AUTHGATE_AUDIENCE` and `AUTHGATE_ISSUER`. An
issuer in the file names its own variable (`secret_env`).

Every other `AUTHGATE_*` variable sets the top-level setting of that name and overrides the file:

- Two underscores nest: `AUTHGATE_ADMIN__LISTEN`.
- Write lists with commas, or as YAML: `[a, b]`.
- `AUTHGATE_ISSUERS` takes the list of issuers as YAML, so that you need no file for `check: always`:
  `AUTHGATE_ISSUERS='[{name: app, preset: better-auth, url: "https://app.example.com", secret_env: BETTER_AUTH_SECRET, sessions: {check: always}}]'`.
- An unknown variable is an error. AuthGate recognizes and ignores the variables that Kubernetes sets for a Service named
  `authgate`.

In the image (`AUTHGATE_IN_CONTAINER=true`) the defaults of `listen` and `admin.listen` are `0.0.0.0:4190` and `0.0.0.0:4191`.

Every connection of the admin port gets one answer. It has 64 connections. When all are taken, a new one displaces the oldest
one of the address that has the most, so that probes are always answered. `/metrics` and `/keys` are made at most once a second.
"""

_ISSUERS = """
## Issuers

`issuers` is a list. Each entry has a `preset`, which decides what the issuer makes and which settings it takes. The pages in
[formats](formats/better-auth.md) explain each preset: [jwt](formats/jwt.md), [better-auth](formats/better-auth.md),
[authjs and nextauth-v4](formats/authjs.md). Identity providers have [a preset and a page each](issuers/README.md).
"""

# Where the settings stand on the page, by purpose. A setting of the model that is in none is an error.
_PURPOSES = {
    "Listeners": ("listen", "tls", "admin", "ready_when", "fast_lane", "workers"),
    "Trusted proxies": ("trusted_proxies", "unsafe_trust_all_proxies"),
    "Requests": ("credentials", "csrf", "leeway_seconds"),
    "Policies": ("policies", "paths"),
    "Refusals": ("login_url", "return_parameter", "return_hosts", "cors", "page"),
    "Reply headers": ("headers",),
    "Log": ("log",),
    "Limits": ("limits",),
}
_ISSUER_PURPOSES = {
    "The issuer": ("name", "preset", "url", "subject_prefix"),
    "Secrets": (
        *("secret", "secret_file", "secret_env", "secrets", "secrets_file", "secrets_env"),
        "old_secrets_verify",
    ),
    "Session cookies": ("cookies", "strategies", "cookie_cache_version", "bearer", "anonymous", "allow_banned"),
    "Session store": ("sessions",),
    "Public keys": ("pem_file", "jwks_file", "jwks_url", "discovery", "jwt_plugin"),
    "JWTs": ("issuer", "audiences", "algorithms", "token_types", "accept"),
    "Claims": ("identity", "require_claims", "required_claims"),
    "Fetching": (
        *("refresh_seconds", "cooldown_seconds", "max_stale_seconds"),
        *("allow_http", "ca_file", "outbound_proxy", "jwks_token_file"),
    ),
}
# Stores with many settings have a section of their own.
_STORES = {
    "sessions.postgres": "The PostgreSQL store",
    "sessions.redis": "The Redis store",
}
# Rules contain rules, so they have a section of their own, too.
_RULES = {"policies[].require": "Rules"}
_SECTIONS = _STORES | _RULES
# Settings with the same settings in them as the setting of that name at the top.
_AS_ABOVE = ("policies[].csrf", "policies[].cors", "policies[].credentials")
_RULE_TEXT = """
### Rules

DOC [Policies](policies.md#rules) explains them. *Lists* means one or more of `any_of`, `all_of` and `none_of`, each a list. OPERATORS

| Rule | Takes | What it compares |
|---|---|---|
"""
_HEADER_FIELDS = """
A value of `headers` is one of these fields: FIELDS. Or it is `claims.<path>`, for example `claims.org.id`: see [claim paths](formats/jwt.md#claim-paths).
"""

# A description may say something that is only for some presets ("authjs, nextauth-v4: …").
_A_PRESET = f"(?:{'|'.join(PRESETS)})"
_NAMED = re.compile(rf"({_A_PRESET}(?:, {_A_PRESET})*): ")

_METRICS = """\
# Metrics

<!-- made by docs/generate.py: do not edit -->

`/metrics` on the [admin port](configuration.md#listeners) has these metrics in Prometheus' text format. Label values come from the
configuration and from fixed lists, never from a request, so their number is bounded. A label `issuer` holds the issuer's name, or
`<name>/secret` for [the keys of its session cookies](keys.md#secrets-of-session-cookies).

Alerts: [keys](keys.md#how-to-see-it), [sessions](sessions.md#how-to-see-it), [reload](reload.md), [TLS](tls.md).
"""
# The table of providers, which docs/issuers/README.md has first.
_PROVIDERS = re.compile(r"^\| Provider \|.*\n(?:\|.*\n)+", re.MULTILINE)

# Title, the beginnings of the names, and what the metrics' own texts cannot say.
_METRIC_SECTIONS = (
    ("Decisions", ("authgate_decision",), "`reason` is empty for allowed requests; else a [reason](reasons.md)."),
    (
        "Caches",
        ("authgate_cache",),
        """All caches share one budget, [`limits.cache_megabytes`](configuration.md#limits). Kinds of entries: `proofs` (verified credentials;
        each saves a verification, and never the checks of times, bans and sessions), `sessions` (found in the issuer's session store) and
        `no_session` (tokens without a session, with an expired one, or with one that cannot be read; for a second at most). While
        `authgate_cache_evictions_total` grows, the budget is too small for all entries, or somebody sends made-up tokens (`no_session`).

        `refusals` (bad credentials; each hit saves another verification) are apart: they have an eighth of `limits.cache_megabytes` in
        addition, so made-up credentials evict nothing else. All issuers share them, so their label `issuer` is empty.""",
    ),
    (
        "Keys",
        ("authgate_key", "authgate_unknown_key_ids", "authgate_departed_key_ids"),
        """An issuer's keys are [*stale*](keys.md#when-the-issuer-does-not-answer) while `authgate_keys_last_load_successful` is 0 and
        `authgate_keys` is not. `authgate_keys` is 0 in the states *no keys*, *given up* and *not offered*. Keys without an id share one
        label, so they are counted together. A token whose proof is cached counts once until its key set changes.""",
    ),
    (
        "Session stores",
        ("authgate_session",),
        """Only for issuers with a session store. `found` is a token with a session, `not_found` one without. Causes of
        requests that were turned away: `full` (too many requests wait, and the most are from its address), `pause` (the store asked for one)
        and `end` (a reload has changed the store). See [session stores](sessions.md).""",
    ),
    (
        "Connections",
        ("authgate_connections", "authgate_accept_"),
        """`listener` is `auth` or `admin`. Causes: `silent` (no byte of a request arrived), `slow_head`, `large_head`, `unparsable`,
        `unanswered` (no answer within 30 s, on the admin port 5 s), `unread` (the peer did not read the response), `displaced` (a newer
        connection took its place: only peers that are not trusted proxies, and all peers of the admin port) and `too_many`.

        `authgate_accept_pauses_total` grows by ten a second while new connections wait because file descriptors are short. Raise the limit
        of the process (`ulimit -n`); AuthGate goes on by itself. The auth port leaves the last 128 descriptors, or a quarter of
        the limit, to keys, session stores and the admin port.""",
    ),
    ("Configuration", ("authgate_config",), "See [reload](reload.md)."),
    ("TLS", ("authgate_tls",), "Only for listeners with TLS. See [TLS](tls.md)."),
    (
        "The process",
        ("authgate_log", "authgate_build", "process_"),
        """The metrics `process_…` need Linux. `about` is what [the log](log.md#bounds) has too many lines about. Causes of
        log lines that were not written: `too_slow` (10,000 lines wait to be written), `no_space` (a full disk, a quota or a limit of
        file sizes), `closed` (the pipe has no reader) and `error`.""",
    ),
)


def pages() -> dict[str, str]:
    """Return the text of each generated page by its path from docs."""
    return {
        "configuration.md": configuration(),
        "metrics.md": metrics(),
        "reasons.md": reasons(),
        "../README.md": readme(),
    }


def readme() -> str:
    """Return README.md with the table of providers in docs/issuers/README.md."""
    found = _PROVIDERS.search((DOCS / "issuers" / "README.md").read_text())
    if found is None:
        raise ValueError("docs/issuers/README.md has no table of providers")
    table = re.sub(r"\]\(([\w-]+\.md)\)", r"](docs/issuers/\1)", found[0])
    return _PROVIDERS.sub(lambda _: table, (DOCS.parent / "README.md").read_text())


def reasons() -> str:
    """Return the page of all reasons for a refusal."""
    rows = [
        f"| `{reason}` | {row.status} | {row.oauth_error or ''} | {row.fault} | {row.text} | {row.fix} |\n"
        for reason, row in REASONS.items()
    ]
    return _REASONS + "".join(rows)


_BOUNDS = """
## Bounds

A configuration that exceeds a bound is refused; the message names the line or the setting, and the bound. [What the largest one
needs](deployment.md#memory).

| | At most |
|---|---|
| the file; one environment variable is bounded by the system | 1 MiB |
| values in one YAML document, keys included, with every alias written out | 100,000 |
| characters in them | 1,048,576 |
| nested lists and mappings | 64 |
| issuers; policies; `trusted_proxies`; `audiences` of an issuer; values of one list in a rule | 1,000 each |
| hosts, paths or clients of one policy; origins | 256 each |
| `credentials`; `headers`, those of all policies together | 64 each |
| segments of a path pattern | 32 |
| problems that are reported at once | 100, with a count of the others |

Merge keys (`<<`) and tags such as `!!set` are refused. Dates and `12:30` are text. Only `true` and `false` are booleans.
"""


def configuration() -> str:
    """Return the page of all settings: those of AuthGate, those of each preset, and those of each session store."""
    sections = [_CONFIGURATION]
    rows = {name: [*_rows(name, info)] for name, info in described_fields(Config).items() if name != "issuers"}
    for title, names in _placed(_PURPOSES, rows):
        sections.append(f"\n## {title}\n\n{_table(row for name in names for row in rows[name])}")
        if "headers" in names:
            sections.append(_HEADER_FIELDS.replace("FIELDS", ", ".join(f"`{name}`" for name in FIELDS)))
        if "policies" in names:
            sections += [_rules()]
    sections.append(_BOUNDS)
    sections.append(_ISSUERS)
    sections += [_preset(name) for name in PRESETS]
    for setting, title in _STORES.items():
        store = setting.removeprefix("sessions.")
        model = STORES[store].settings
        own = [row for name, info in described_fields(model).items() for row in _rows(f"{setting}.{name}", info)]
        presets = ", ".join(name for name, preset in PRESETS.items() if store in preset.stores)
        sections.append(f"\n### {title}\n\n{_text(model.__doc__)} For presets: {presets}.\n\n{_table(own)}")
    sections.append(f"\n## Example\n\n```yaml\n{(DOCS / 'example.yaml').read_text()}```\n")
    return "".join(sections)


def _rules() -> str:
    """Return the section of rules."""
    operators = re.sub(r"\b(\w+_of):", r"`\1`:", _text(ValuesConfig.__doc__))
    heading = _RULE_TEXT.replace("DOC", _text(RuleConfig.__doc__)).replace("OPERATORS", operators)
    return heading + "".join(
        row for name, info in described_fields(RuleConfig).items() for row in _rule_rows(name, info)
    )


def _rule_rows(name: str, info: FieldInfo) -> Iterator[str]:
    """Yield the row of the rule *name*. A rule with settings of its own has a row for each."""
    inner = _nested(info.annotation)
    if name in {"any", "all", "not"}:
        takes = "mapping of rules" if name == "not" else "list of mappings of rules"
    elif name == "claims":
        name, takes = "claims: {<path>: …}", "for each path, lists of text, numbers, true and false"
    elif inner is not NoneType and "any_of" in inner.model_fields:
        takes = "lists"
    elif inner is not NoneType:
        for own, field in described_fields(inner).items():
            yield f"| `{name}.{own}` | {_one_or_list(field)} | {_text(field.description)} |\n"
        return
    else:
        takes = "seconds" if name.endswith("_seconds") else _one_or_list(info)
    yield f"| `{name}` | {takes} | {_text(info.description)} |\n"


def _one_or_list(info: FieldInfo) -> str:
    """Return the type of a setting in an operator's words. Some lists may be written as one value."""
    accepted = (one.json_schema_input_type for one in info.metadata if isinstance(one, BeforeValidator))
    takes_one = any(is_list(annotation) for annotation in accepted)
    return re.sub("^list of (.*)", r"\1, or a list", _type(info.annotation)) if takes_one else _type(info.annotation)


def _preset(name: str) -> str:
    """Return the section of the preset *name*."""
    preset = PRESETS[name]
    if issubclass(preset.settings, ProviderIssuer):
        return _provider(name, preset.settings)
    every = {setting: [*_rows(setting, info)] for setting, info in described_fields(preset.settings).items()}
    if unknown := {*every} - {setting for names in _ISSUER_PURPOSES.values() for setting in names}:
        raise ValueError(f"docs/generate.py: settings without a purpose: {sorted(unknown)}")
    rows = []
    foreign = tuple(f"| `sessions.{store}" for store in STORES if store not in preset.stores)
    for title, names in _ISSUER_PURPOSES.items():
        own = [_for_preset(row, name) for setting in names for row in every.get(setting, ())]
        own = [row for row in own if not row.startswith(foreign)]
        rows += [f"| **{title}** | | | |\n", *own] if own else []
    return f"\n### Preset `{name}`\n\n{_text(preset.settings.__doc__)}\n\n{_table(rows)}"


def _provider(name: str, settings: type[ProviderIssuer]) -> str:
    """Return the section of the preset *name* of an identity provider: the settings that preset jwt does not have."""
    own = settings.own_settings()
    rows = [
        row for setting, info in described_fields(settings).items() if setting in own for row in _rows(setting, info)
    ]
    page = f"[{PRESETS[name].library}](issuers/{name}.md)"
    text = f"{_text(settings.__doc__)} {page} has an example. The settings of preset jwt apply, too."
    return f"\n### Preset `{name}`\n\n{text}\n\n{_table(rows)}"


def _for_preset(row: str, preset: str) -> str:
    """Return *row* without the sentences and values that are for other presets."""
    cells, _, text = row.removesuffix(" |\n").rpartition(" | ")
    kept = []
    for sentence in re.split(r"(?<=\.) ", text):
        named = _NAMED.match(sentence)
        if named is None:
            kept.append(sentence)
        elif preset in named[1].split(", "):
            rest = sentence[named.end() :]
            kept.append(rest[:1].upper() + rest[1:])
    return f"{cells} | {' '.join(kept)} |\n"


def _placed(purposes: dict[str, tuple[str, ...]], rows: dict[str, list[str]]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Return the items of *purposes*; raise ValueError where they are not exactly the settings in *rows*."""
    if missing := {*rows} ^ {name for names in purposes.values() for name in names}:
        raise ValueError(f"docs/generate.py: settings without a purpose, or unknown: {sorted(missing)}")
    return purposes.items()


def _table(rows: Iterable[str]) -> str:
    return "| Setting | Type | Default | Meaning |\n|---|---|---|---|\n" + "".join(rows)


def _rows(setting: str, info: FieldInfo) -> Iterator[str]:
    """Yield the table row of *setting*, and the rows of the settings in it, under dotted names."""
    inner = _nested(info.annotation)
    text = _text(info.description or inner.__doc__)
    if setting in _SECTIONS:
        kind = "`signed_in` \\| mapping" if setting in _RULES else "mapping"
        yield f"| `{setting}` | {kind} | | {text} [Its settings](#{_SECTIONS[setting].lower().replace(' ', '-')}). |\n"
        return
    if inner is NoneType:
        yield f"| `{setting}` | {_one_or_list(info)} | {_default(info)} | {text} |\n"
        return
    in_list = is_list(info.annotation)
    yield f"| `{setting}` | {'list of mappings' if in_list else 'mapping'} | {_default(info) if in_list else ''} | {text} |\n"
    for name, field in described_fields(inner).items() if setting not in _AS_ABOVE else ():
        yield from _rows(f"{setting}{'[]' * in_list}.{name}", field)


def _text(description: str | None) -> str:
    """Return *description* in one line, with its page as a link."""
    text = " ".join((description or "").split())
    return re.sub(r"\bdocs/([\w-]+)\.md\b", r"[\1](\1.md)", text)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = to_jsonable_python(info.get_default())
    is_all = value == [] and any(isinstance(one, MinLen) for one in info.metadata)  # an empty list cannot be written
    return "" if value is None or is_all else f"`{json.dumps(value)}`"


def _nested(annotation: Any) -> Any:
    """Return the model within *annotation*, or NoneType."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _nested(one)) is not NoneType), NoneType)


def _type(annotation: Any) -> str:
    """Return *annotation* in an operator's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " \\| ".join("`true`" if value is True else f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return "mapping"
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    if arguments:
        return " \\| ".join(dict.fromkeys(_type(argument) for argument in arguments if argument is not NoneType))
    return _WORDS.get(annotation, "text")


def metrics() -> str:
    """Return the page of all metrics, as an AuthGate with TLS, keys and a session store has them."""
    families = {family.name: family for family in _families()}
    sections = [_METRICS]
    for title, beginnings, text in _METRIC_SECTIONS:
        names = [name for name in families if name.startswith(beginnings)]
        rows = [_metric_row(families.pop(name)) for name in names]
        sections.append(
            f"\n## {title}\n\n{inspect.cleandoc(text)}\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n{''.join(rows)}"
        )
    if families:
        raise ValueError(f"docs/generate.py: metrics without a section: {sorted(families)}")
    return "".join(sections)


def _families() -> list[Metric]:
    environ = {"BETTER_AUTH_SECRET": "for-docs-only-0123456789-abcdefghij", "BETTER_AUTH_URL": "http://localhost:3000"}
    app = wiring.build(wiring.prepare(load.load(environ=environ)))
    certificate: Any = SimpleNamespace(current=SimpleNamespace(expires_at=0.0), failure="", failed_handshakes=0)
    all_metrics = Metrics({"auth": certificate, "admin": certificate})
    app_metrics.register(all_metrics, app)
    for adapter in ADAPTERS:
        for outcome in ("allow", "deny"):
            all_metrics.decisions.add(adapter, "default", outcome, "", 0.0)
    return [*all_metrics._registry.collect()]  # noqa: SLF001 - the text format has no labels of its own


def _metric_row(family: Metric) -> str:
    name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            values.setdefault(label, {})[value] = None
    labels = [_label(label, [*values[label]]) for label in values if label != "le"]
    return f"| `{name}` | {family.type} | {'; '.join(labels)} | {_text(family.documentation)} |\n"


def _label(label: str, values: list[str]) -> str:
    """Return *label*, with its values where they are fixed."""
    if label not in {"about", "adapter", "cause", "kind", "listener", "outcome", "token"}:
        return f"`{label}`"
    return f"`{label}`: {', '.join(f'`{value}`' for value in values)}"


if __name__ == "__main__":
    for file_name, text in pages().items():
        (DOCS / file_name).write_text(text)
        print(f"{file_name}: {len(text.splitlines())} lines")
