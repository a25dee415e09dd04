// A real OpenID provider, on loopback. PORT and OPTIONS (JSON) come from the environment. The options:
// {issuer, clients (their metadata), resources (scopes by resource), accounts (by user name: {id, password, claims})}.
// Access tokens for a resource are JWTs; without a resource they are opaque. POST /test/... is for tests:
//   rotate    signs with a new key from now on, and publishes the old keys, too
//   withdraw  publishes only the key that signs
//   lifetime  {seconds}: of the access tokens from now on
//   password-ago  {seconds}: how long ago people gave their password who sign in from now on
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import MemoryAdapter from "oidc-provider/lib/adapters/memory_adapter.js";

const { issuer, clients, resources, accounts } = JSON.parse(process.env.OPTIONS);
const byId = Object.fromEntries(Object.values(accounts).map((account) => [account.id, account]));
let lifetime = 3600;
let passwordAgo = 0;
let made = 0;
let keys = [newKey()];
let provider = providerOf(keys);

function newKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: `K${++made}`, alg: "RS256", use: "sig" };
}

// Of several keys that fit, the first one signs. A provider keeps its keys for life, so new keys need a new provider.
// Sessions and refresh tokens stay: all providers share the storage of the module.
function providerOf(keys) {
  return new Provider(issuer, {
    adapter: (model) => new MemoryAdapter(model),
    jwks: { keys },
    clients,
    cookies: { keys: ["a key of the tests"] },
    pkce: { required: (_, client) => client.grantTypeAllowed("authorization_code") },
    scopes: ["openid"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "roles"] },
    conformIdTokenClaims: false, // the claims of the scopes are in the ID token
    findAccount: (_, id) => byId[id] && { accountId: id, claims: () => ({ sub: id, ...byId[id].claims }) },
    extraTokenClaims,
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    loadExistingGrant,
    interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
    ttl: {
      AccessToken: () => lifetime,
      ClientCredentials: () => lifetime,
      IdToken: 3600,
      Session: 86400,
      Grant: 86400,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: resources[resource],
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
}

// Nobody is asked for consent: every client belongs to the house.
async function loadExistingGrant({ oidc: { provider, client, session } }) {
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid email profile");
  for (const [resource, scope] of Object.entries(resources)) grant.addResourceScope(resource, scope);
  await grant.save();
  return grant;
}

// RFC 9068 §2.2: when the user gave the password, and the roles. A program has neither.
function extraTokenClaims({ oidc: { entities } }, { accountId }) {
  const source = entities.AuthorizationCode ?? entities.RefreshToken;
  return accountId && { auth_time: source?.authTime, roles: byId[accountId].claims.roles };
}

async function signIn(request, response) {
  await provider.interactionDetails(request, response);
  const form = request.method === "POST" ? new URLSearchParams((await request.toArray()).join("")) : null;
  const account = accounts[form?.get("name")];
  if (account && account.password === form.get("password")) {
    const ts = Math.floor(Date.now() / 1000) - passwordAgo;
    await provider.interactionFinished(request, response, { login: { accountId: account.id, ts } });
    return;
  }
  response.writeHead(form ? 403 : 200, { "Content-Type": "text/html; charset=utf-8" });
  response.end(`<!doctype html><html lang="en"><title>Provider</title><h1>Sign in at the provider</h1>
${form ? "<p>The name or the password is wrong.</p>" : ""}
<form method="post"><label>Name <input name="name"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form></html>`);
}

const test = {
  rotate() {
    keys = [newKey(), ...keys];
    provider = providerOf(keys);
  },
  withdraw() {
    keys = keys.slice(0, 1);
    provider = providerOf(keys);
  },
  lifetime({ seconds }) {
    lifetime = seconds;
  },
  "password-ago"({ seconds }) {
    passwordAgo = seconds;
  },
};

createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/test/")) {
      test[request.url.slice("/test/".length)](JSON.parse((await request.toArray()).join("") || "{}"));
      response.end(JSON.stringify(keys.map(({ kid }) => kid)));
    } else if (request.url.startsWith("/sign-in/")) {
      await signIn(request, response);
    } else {
      await provider.callback()(request, response);
    }
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
