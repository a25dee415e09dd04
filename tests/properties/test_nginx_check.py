"""Whatever the directives and their order, the check of nginx's files ends with findings."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.checked_nginx import check

# What the checks know by name, and paths, names, values and variables.
_NAMES = re.findall(
    r"\S+",
    """http server location if limit_except map geo set auth_request auth_request_set error_page return rewrite break
    proxy_pass grpc_pass fastcgi_pass proxy_set_header fastcgi_param satisfy upstream keepalive internal listen
    server_name underscores_in_headers proxy_intercept_errors proxy_buffer_size proxy_read_timeout""",
)
_WORDS = re.findall(
    r"\S+",
    """/ /_authgate /api/ @x = ~ ~* ^~ ( [a ($authgate_ambiguous_path) $request_uri $authgate_path X-User-Id 401 403 =
    =200 =403 on off any last '' default 9 $http_x_user_id $upstream_http_x_user_id unix:/a
    http://authgate/auth/nginx""",
)
_HEADS = st.tuples(st.sampled_from(_NAMES), st.lists(st.sampled_from(_WORDS), max_size=3))
_LINES = _HEADS.map(lambda drawn: f"{' '.join([drawn[0], *drawn[1]])};")
_BLOCKS = st.recursive(
    _LINES,
    lambda inner: st.tuples(_LINES, st.lists(inner, max_size=4)).map(lambda d: f"{d[0][:-1]} {{ {' '.join(d[1])} }}"),
    max_leaves=10,
)
_ASKING = "auth_request /_authgate; location = /_authgate { proxy_pass http://authgate/auth/nginx; }"


@settings(max_examples=60)
@given(st.lists(_BLOCKS, max_size=4).map("\n".join))
def test_no_directives_and_words_make_the_check_fail(text: str) -> None:
    for finding in check(f"http {{ {text} server {{ {_ASKING} {text} }} server {{ {text} }} }}"):
        assert finding.message
        assert finding.fix
