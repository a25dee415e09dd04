// The attempts of the page /inside, in their order.
import type { AttemptTitle } from "./outcome";

export const TITLES: readonly AttemptTitle[] = [
  { name: "plain", group: "you", title: "Your own request" },
  { name: "no-cookie", group: "attack", title: "The same request without a cookie" },
  { name: "forged-id", group: "attack", title: "A forged header: X-User-Id" },
  { name: "forged-id-case", group: "attack", title: "The forged header in another case: x-uSER-iD" },
  { name: "forged-id-underscore", group: "attack", title: "The forged header with underscores: X_User_Id" },
  { name: "expired-token", group: "attack", title: "Your token, after it has expired" },
  { name: "edited-token", group: "attack", title: "Your token, edited after it was signed" },
  { name: "unsigned-token", group: "attack", title: "A token without a signature (alg: none)" },
  { name: "copied-cookie", group: "attack", title: "A cookie copied before the sign-out" },
  { name: "foreign-post", group: "attack", title: "Another site adds a task in your name" },
  { name: "foreign-websocket", group: "attack", title: "Another site opens a WebSocket in your name" },
  { name: "encoded-slash", group: "attack", title: "A path that hides another: /tasks/..%2fadmin" },
  { name: "other-case", group: "attack", title: "The administrator's page in another case: /AdMiN" },
  { name: "admin-page", group: "attack", title: "The administrator's page" },
];
