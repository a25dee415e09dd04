import { toNextJsHandler } from "better-auth/next-js";
import { answer } from "@/lib/answer";

export const { GET, POST } = toNextJsHandler(answer);
