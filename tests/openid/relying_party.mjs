// An application that signs people in at an OpenID provider, on loopback: authorization code with PKCE. PORT and OPTIONS
// (JSON) come from the environment: {issuer, origin (its own, as browsers see it), client_id, client_secret, scope,
// resource}. It keeps the access token in the cookie access_token, which AuthGate reads. AuthGate's login_url is
// /auth/sign-in. Every path outside /auth/ is a page that shows whom AuthGate let in.
import { createServer } from "node:http";
import * as oidc from "openid-client";

const { issuer, origin, client_id, client_secret, scope, resource } = JSON.parse(process.env.OPTIONS);
const provider = await oidc.discovery(new URL(issuer), client_id, {}, oidc.ClientSecretBasic(client_secret), {
  execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks], // no TLS on loopback: check signatures
});
const CALLBACK = `${origin}/auth/callback`;
const SIGNED_OUT = `${origin}/auth/signed-out`;

// Browsers trust *.localhost as if it had TLS, and keep Secure cookies of it.
function cookie(name, value, path, more = "") {
  return `${name}=${value}; Path=${path}; HttpOnly; Secure; SameSite=Lax${more}`;
}

function deleted(name, path) {
  return cookie(name, "", path, "; Max-Age=0");
}

function cookies(request) {
  const pairs = (request.headers.cookie ?? "").split("; ").map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([name, ...value]) => [name, value.join("=")]));
}

// Anybody can write a link to /auth/sign-in, so return_to leads only to this application.
function own(address) {
  const url = URL.canParse(address, origin) && new URL(address, origin);
  return url && url.origin === origin ? url.href : `${origin}/`;
}

// What the callback must know is in a cookie of its own for each sign-in, so that several tabs can sign in at once.
async function signIn(_, url) {
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const pending = { verifier, nonce, to: own(url.searchParams.get("return_to") ?? "/") };
  const location = oidc.buildAuthorizationUrl(provider, {
    redirect_uri: CALLBACK,
    scope,
    resource,
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    // AuthGate asks for a recent sign-in (RFC 9470): the provider asks for the password again if it is older.
    ...(url.searchParams.has("max_age") && { max_age: url.searchParams.get("max_age") }),
  });
  const value = Buffer.from(JSON.stringify(pending)).toString("base64url");
  return redirect(location.href, [cookie(`sign_in.${state}`, value, "/auth/callback", "; Max-Age=600")]);
}

async function callback(request, url) {
  const state = url.searchParams.get("state");
  const kept = cookies(request)[`sign_in.${state}`];
  if (!kept) return page(400, "Signing in did not work", "Please start again.");
  const { verifier, nonce, to: address } = JSON.parse(Buffer.from(kept, "base64url"));
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await oidc.authorizationCodeGrant(provider, url, checks, { resource });
  return redirect(own(address), [
    cookie("access_token", tokens.access_token, "/"),
    cookie("id_token", tokens.id_token, "/auth/sign-out"), // the provider's hint whom to sign out
    deleted(`sign_in.${state}`, "/auth/callback"),
  ]);
}

function signOut(request) {
  if (request.method !== "POST" || request.headers.origin !== origin) return page(400, "This is not a sign-out");
  const { id_token } = cookies(request);
  const location = oidc.buildEndSessionUrl(provider, {
    post_logout_redirect_uri: SIGNED_OUT,
    ...(id_token && { id_token_hint: id_token }),
  });
  return redirect(location.href, [deleted("access_token", "/"), deleted("id_token", "/auth/sign-out")]);
}

function shown(request, { pathname, search }) {
  const { "x-user-id": user, "x-user-roles": roles } = request.headers;
  const out = '<form method="post" action="/auth/sign-out"><button>Sign out</button></form>';
  return page(200, pathname + search, `${user} has the roles ${roles}`, out);
}

const ROUTES = {
  "/auth/sign-in": signIn,
  "/auth/callback": callback,
  "/auth/sign-out": signOut,
  "/auth/signed-out": () => page(200, "You are signed out"),
};

function page(status, heading, text = "", html = "") {
  const headers = { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" };
  const [shownHeading, shownText] = [heading, text].map(escaped);
  const body = `<h1>${shownHeading}</h1><p>${shownText}</p>${html}`;
  return [status, headers, `<!doctype html><html lang="en"><title>Application</title>${body}</html>`];
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function redirect(address, lines) {
  return [303, { Location: address, "Set-Cookie": lines }, ""];
}

createServer(async (request, response) => {
  const url = new URL(origin + request.url);
  try {
    const [status, headers, body] = await (ROUTES[url.pathname] ?? shown)(request, url);
    response.writeHead(status, headers).end(body);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end("Signing in did not work");
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
