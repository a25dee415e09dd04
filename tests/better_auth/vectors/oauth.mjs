// Better Auth as an OAuth provider: access tokens for an API, ID tokens for a client. The JWT plugin's keys sign them.
// Their issuer is Better Auth's URL with its path; the issuer of the JWT plugin's tokens is only the origin.
import { createHash } from "node:crypto";
import { oauthProvider } from "@better-auth/oauth-provider";
import { BetterAuth } from "./better_auth.mjs";
import { collect, derive } from "./collected.mjs";
import { jsonPart } from "./texts.mjs";

const PRODUCER = { library: "@better-auth/oauth-provider", version: "1.7.5" };
const API = "https://api.example.test";
const CALLBACK = "https://client.example.test/callback";
const SCOPE = "openid email profile";
const TABLES = [
  "oauthClient",
  "oauthResource",
  "oauthClientResource",
  "oauthRefreshToken",
  "oauthAccessToken",
  "oauthConsent",
];

/** Let a client act for a signed-in user, and return the answer of the token endpoint. */
async function authorized(app, browser) {
  const client = {
    redirect_uris: [CALLBACK],
    client_name: "client",
    scope: SCOPE,
    token_endpoint_auth_method: "client_secret_post",
  };
  const { client_id, client_secret } = (await browser.ask("/oauth2/create-client", client)).json;
  app.rows.oauthClient[0].skipConsent = true;
  app.rows.oauthClientResource.push({ id: "link", clientId: client_id, resourceId: API, createdAt: new Date() });
  const code_verifier = "v".repeat(64);
  const asked = new URLSearchParams({
    client_id,
    response_type: "code",
    redirect_uri: CALLBACK,
    scope: SCOPE,
    state: "state",
    code_challenge: createHash("sha256").update(code_verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const { headers } = await browser.ask(`/oauth2/authorize?${asked}`);
  const code = new URL(headers.get("location")).searchParams.get("code");
  const grant = {
    grant_type: "authorization_code",
    code,
    redirect_uri: CALLBACK,
    client_id,
    client_secret,
    code_verifier,
    resource: API,
  };
  return (await app.browser().ask("/oauth2/token", new URLSearchParams(grant))).json;
}

export async function oauth() {
  const rows = new BetterAuth().rows;
  for (const table of TABLES) rows[table] = [];
  const warnings = { oauthAuthServerConfig: true, openidConfig: true };
  const provider = oauthProvider({
    loginPage: "/login",
    consentPage: "/consent",
    scopes: SCOPE.split(" "),
    resources: [{ identifier: API, name: "api" }],
    silenceWarnings: warnings,
  });
  const app = new BetterAuth({ baseURL: "https://app.example.test", rows, plugins: [provider] });
  const browser = await app.signedIn();
  const { access_token, id_token } = await authorized(app, browser);
  const claims = jsonPart(access_token, 1);
  const vector = collect({
    name: "ba-oauth-access-token",
    kind: "better-auth/jwt",
    producer: PRODUCER,
    config: {
      jwks: await app.jwks(),
      issuer: claims.iss,
      audience: API,
      algorithms: ["EdDSA"],
      session_id_claim: "sid",
    },
    headers: { authorization: `Bearer ${access_token}` },
    expiresAt: claims.exp,
    expected: "another type than the JWT plugin's",
    misuse:
      "an access token (RFC 9068: typ at+jwt) for this very API, which only an issuer of preset jwt is told to take",
  });
  derive(vector, {
    name: "id-token",
    headers: { authorization: `Bearer ${id_token}` },
    expected: "audience mismatch",
    misuse: "the ID token, which is for the client and no API, as a bearer token",
  });
}
