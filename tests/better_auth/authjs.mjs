// The real Auth.js v5, on loopback. PORT and OPTIONS (JSON) come from the environment. The options:
// {url (its public address), secret (one, or a list with the current one first), maxAge (in seconds), cookies,
//  database (a DSN)}. With a database, @auth/pg-adapter writes sessions to it, and a user signs in with the link in an
// e-mail. Without one, sessions are JWTs. GET /letter returns the link in the last e-mail.
import { createServer } from "node:http";
import { Auth } from "@auth/core";
import Credentials from "@auth/core/providers/credentials";
import PostgresAdapter from "@auth/pg-adapter";
import pg from "pg";

const options = JSON.parse(process.env.OPTIONS);
const config = {
  secret: options.secret,
  trustHost: true,
  basePath: "/auth",
  cookies: options.cookies,
  session: {
    strategy: options.database ? "database" : "jwt",
    ...(options.maxAge && { maxAge: options.maxAge }),
  },
  // Every user is accepted without a password: {id, name, email, claims}. The jwt callback adds the claims to the JWT.
  providers: [Credentials({ credentials: { user: {} }, authorize: ({ user }) => JSON.parse(user) })],
  callbacks: { jwt: ({ token, user }) => ({ ...token, ...user?.claims }) },
};
let letter = "";
if (options.database) {
  config.adapter = PostgresAdapter(new pg.Pool({ connectionString: options.database }));
  const send = ({ url }) => {
    letter = url;
  };
  config.providers = [{ id: "email", type: "email", name: "Email", maxAge: 600, sendVerificationRequest: send }];
}

createServer(async (request, response) => {
  if (request.url === "/letter") {
    response.end(letter);
    return;
  }
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
