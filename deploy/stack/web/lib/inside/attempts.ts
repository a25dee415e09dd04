// The attempts of the page /inside, in their order: what each sends, and the answer that AuthGate must give.
import { sendCopiedCookie } from "./copied-cookie";
import { editedToken, expiredToken, unsignedToken } from "./forge";
import type { AttemptTitle, Header } from "./outcome";
import { type PlannedRequest, type Sent, send } from "./send";
import type { Visitor } from "./visitor";

export interface Expected {
  status: readonly number[];
  /** AuthGate's reasons. Null: the request is allowed, or the proxy refuses it by itself. */
  reasons: readonly (string | null)[];
  /** Whether the service must have seen the visitor's id. It must never see another. */
  isIdentified?: true;
  /** What it means if there is no reason that says it. */
  meaning?: string;
  stoppedBy: string | null;
}

export interface Attempt extends AttemptTitle {
  /** Whether it takes several seconds. */
  isSlow?: true;
  make: (visitor: Visitor, leaving: AbortSignal) => Promise<Sent>;
  expected: (visitor: Visitor) => Expected;
}

export const ATTEMPTS: readonly Attempt[] = [
  {
    name: "plain",
    group: "you",
    title: "Your own request",
    make: (visitor) => once({ ...SHOW_HEADERS, cookie: visitor.cookie }),
    expected: () => identified("AuthGate allows the request, and the service knows you by the header X-User-Id."),
  },
  {
    name: "no-cookie",
    group: "attack",
    title: "The same request without a cookie",
    make: () => once(SHOW_HEADERS),
    expected: () => refused(401, "no_credential", "AuthGate: its policy for /api/v1 asks for a signed-in user."),
  },
  {
    name: "forged-id",
    group: "attack",
    title: "A forged header: X-User-Id",
    make: withHeader("X-User-Id"),
    expected: () => harmless("The proxy removes the client's X-User-Id, and sets the one from AuthGate's answer."),
  },
  {
    name: "forged-id-case",
    group: "attack",
    title: "The forged header in another case: x-uSER-iD",
    make: withHeader("x-uSER-iD"),
    expected: () => harmless("The proxy removes the header in any case, and sets the one from AuthGate's answer."),
  },
  {
    name: "forged-id-underscore",
    group: "attack",
    title: "The forged header with underscores: X_User_Id",
    make: withHeader("X_User_Id"),
    expected: () => harmless("The proxy removes names with underscores, which some servers read as X-User-Id."),
  },
  {
    name: "expired-token",
    group: "attack",
    title: "Your token, after it has expired",
    make: async (visitor) => once({ ...SHOW_HEADERS, token: await expiredToken(visitor) }),
    expected: () => refused(401, "expired", "AuthGate: it compares the token's exp with its clock."),
  },
  {
    name: "edited-token",
    group: "attack",
    title: "Your token, edited after it was signed",
    make: async (visitor) => once({ ...SHOW_HEADERS, token: await editedToken(visitor) }),
    expected: () => refused(401, "bad_signature", "AuthGate: it verifies the signature with the issuer's public key."),
  },
  {
    name: "unsigned-token",
    group: "attack",
    title: "A token without a signature (alg: none)",
    make: async (visitor) => once({ ...SHOW_HEADERS, token: await unsignedToken(visitor) }),
    expected: () => refused(401, "malformed_token", "AuthGate: it accepts no token without a signature."),
  },
  {
    name: "copied-cookie",
    group: "attack",
    title: "A cookie copied before the sign-out",
    isSlow: true,
    make: (visitor, leaving) => sendCopiedCookie(visitor, SHOW_HEADERS, leaving),
    expected: () =>
      refused(
        401,
        "session_not_found",
        "AuthGate: it looks sessions up in the database, and remembers them for a few seconds only.",
      ),
  },
  {
    name: "foreign-post",
    group: "attack",
    title: "Another site adds a task in your name",
    make: (visitor) => once({ ...ADD_TASK, cookie: visitor.cookie }),
    expected: () =>
      refused(
        403,
        "csrf",
        "AuthGate: the header Sec-Fetch-Site says that another site sent it, so the task service never got it.",
      ),
  },
  {
    name: "foreign-websocket",
    group: "attack",
    title: "Another site opens a WebSocket in your name",
    make: (visitor) => once({ ...OPEN_WEBSOCKET, cookie: visitor.cookie }),
    expected: () =>
      refused(403, "csrf", "AuthGate: it checks the Origin of every WebSocket, because browsers let pages open one to any site."),
  },
  {
    name: "encoded-slash",
    group: "attack",
    title: "A path that hides another: /tasks/..%2fadmin",
    make: (visitor) => once({ method: "GET", path: "/tasks/..%2fadmin", headers: [], cookie: visitor.cookie }),
    expected: () => ({
      status: [400],
      reasons: ["ambiguous_path", null], // Traefik gives no reason
      meaning: "Two servers could read this path in different ways.",
      stoppedBy: "The proxy: it refuses paths that it and the service could read differently.",
    }),
  },
  {
    name: "admin-page",
    group: "attack",
    title: "The administrator's page",
    make: (visitor) => once({ method: "GET", path: "/admin", headers: [], cookie: visitor.cookie }),
    expected: ({ isAdministrator }) =>
      isAdministrator
        ? allowed("You are an administrator, so AuthGate lets you pass.")
        : refused(403, "forbidden", "AuthGate: its policy for /admin asks for the role admin."),
  },
  {
    name: "other-case",
    group: "attack",
    title: "The administrator's page in another case: /AdMiN",
    make: (visitor) => once({ method: "GET", path: "/AdMiN", headers: [], cookie: visitor.cookie }),
    expected: ({ isAdministrator }) =>
      isAdministrator
        ? {
            ...allowed("You are an administrator, so AuthGate lets you pass; the front end has no page of this spelling."),
            status: [404],
          }
        : refused(403, "forbidden", "AuthGate: its policy for /admin protects every spelling of the path."),
  },
];

export const TITLES: readonly AttemptTitle[] = ATTEMPTS.map(({ name, group, title }) => ({ name, group, title }));

const FOREIGN_ORIGIN = "https://evil.example";
// The task service's answer is a list of the headers that it received.
const SHOW_HEADERS: PlannedRequest = { method: "GET", path: "/api/v1/auth/headers", headers: [] };
const ADD_TASK: PlannedRequest = {
  method: "POST",
  path: "/api/v1/tasks",
  headers: [
    ["Origin", FOREIGN_ORIGIN],
    ["Sec-Fetch-Site", "cross-site"],
    ["Content-Type", "application/json"],
  ],
  body: JSON.stringify({ title: `Sent by ${FOREIGN_ORIGIN}` }),
};
const OPEN_WEBSOCKET: PlannedRequest = {
  method: "GET",
  path: "/api/v1/tasks",
  headers: [
    ["Origin", FOREIGN_ORIGIN],
    ["Connection", "Upgrade"],
    ["Upgrade", "websocket"],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="], // RFC 6455 §1.3
  ],
};

async function once(planned: PlannedRequest): Promise<Sent> {
  return { planned, answer: await send(planned) };
}

function withHeader(name: string): Attempt["make"] {
  const forged: Header = [name, "admin"];
  return (visitor) => once({ ...SHOW_HEADERS, headers: [forged], cookie: visitor.cookie });
}

function allowed(meaning: string): Expected {
  return { status: [200], reasons: [null], meaning, stoppedBy: null };
}

function identified(meaning: string): Expected {
  return { ...allowed(meaning), isIdentified: true };
}

function harmless(stoppedBy: string): Expected {
  return { ...identified("Your cookie is valid, so the request is allowed, but the service saw your own id."), stoppedBy };
}

function refused(status: number, reason: string, stoppedBy: string): Expected {
  return { status: [status], reasons: [reason], stoppedBy };
}
