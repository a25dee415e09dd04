import { toNextJsHandler } from "better-auth/next-js";
import { auth } from "@/lib/auth";

const answer = (request: Request) => auth().handler(request);

export const { GET, POST } = toNextJsHandler(answer);
