// The real Auth.js v5 with sessions as JWTs, listening on loopback. PORT and OPTIONS (JSON) come from the environment:
// {url (where it believes to be), secret (one, or a list of them, the current one first), maxAge (seconds), cookies}
import { createServer } from "node:http";
import { Auth } from "@auth/core";
import Credentials from "@auth/core/providers/credentials";

const options = JSON.parse(process.env.OPTIONS);
const config = {
  secret: options.secret,
  trustHost: true,
  basePath: "/auth",
  cookies: options.cookies,
  session: { strategy: "jwt", ...(options.maxAge && { maxAge: options.maxAge }) },
  // Whoever asks is whom they say they are: {id, name, email, claims}, claims being what the application adds.
  providers: [Credentials({ credentials: { user: {} }, authorize: ({ user }) => JSON.parse(user) })],
  callbacks: { jwt: ({ token, user }) => ({ ...token, ...user?.claims }) },
};

createServer(async (request, response) => {
  const body = request.method === "POST" ? Buffer.concat(await request.toArray()) : undefined;
  const answer = await Auth(
    new Request(options.url + request.url, { method: request.method, headers: request.headers, body }),
    config,
  );
  const lines = [...answer.headers].filter(([name]) => name !== "set-cookie");
  response.writeHead(
    answer.status,
    [...lines, ...answer.headers.getSetCookie().map((line) => ["set-cookie", line])].flat(),
  );
  response.end(Buffer.from(await answer.arrayBuffer()));
}).listen(Number(process.env.PORT), "127.0.0.1");
