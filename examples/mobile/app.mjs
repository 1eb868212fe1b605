// A mobile app's sign-in, in an app that runs on your computer: `npm start`, then open the address that it prints.
//
// What is the same as on a phone: a public client without any secret, PKCE, the system browser, a redirect that comes
// back to the app, tokens bound to a key that never leaves it, and a refresh token that changes at every use. What
// differs is the redirect: a loopback address on whatever port is free (RFC 8252 7.3); a phone has a claimed https link.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { home, refused, welcome } from "./screens.mjs";
import { Session } from "./session.mjs";

const HOST = "127.0.0.1"; // RFC 8252 8.3: not `localhost`, which may be somebody else's
const session = new Session({
  issuer: process.env.ISSUER ?? "http://localhost:8000",
  client_id: process.env.CLIENT_ID ?? "demo-mobile",
});
const style = await readFile(new URL("style.css", import.meta.url));

const MESSAGES = {
  access_denied: "Vous avez annulé la connexion.",
  invalid_grant: "Cette connexion a été fermée. Reconnectez-vous.",
  unmet_authentication_requirements: "Le niveau demandé n’a pas pu être atteint.",
};

const page = (body, status = 200) => ({ status, body, headers: { "Content-Type": "text/html; charset=utf-8" } });
const to = (where) => ({ status: 303, body: "", headers: { Location: where } });
const show = (notice) => page(session.tokens ? home(session, notice) : welcome(session, notice));

const ROUTES = {
  "GET /": () => show(),
  "GET /style.css": () => ({ status: 200, body: style, headers: { "Content-Type": "text/css" } }),
  "GET /login": async () => to(await session.begin(`${address()}/callback`)),
  "GET /callback": async (url) => {
    await session.finish(url);
    return to("/");
  },
  "POST /refresh": async () => {
    await session.refresh();
    return show("Jetons actualisés, sans vous déranger.");
  },
  "POST /lost-reply": async () =>
    show(
      (await session.refresh_with_lost_reply())
        ? "La première réponse s’est perdue : la seconde a donné les mêmes jetons."
        : "La première réponse s’est perdue, et la seconde a donné d’autres jetons.",
    ),
  "POST /logout": async () => {
    await session.leave();
    return to("/");
  },
};

async function answer(request) {
  const url = new URL(request.url, address());
  // A site that points its own name at this machine must not read the screens, nor another page press the buttons.
  if (request.headers.host !== new URL(address()).host) return page("", 421);
  const site = request.headers["sec-fetch-site"] ?? "same-origin";
  if (request.method === "POST" && site !== "same-origin") return page("", 403);
  const route = ROUTES[`${request.method} ${url.pathname}`];
  if (!route) return page("", 404);
  if (request.method === "POST" && !session.tokens) return to("/");
  try {
    return await route(url);
  } catch (fault) {
    return refuse(fault);
  }
}

function refuse(fault) {
  const code = fault.error ?? fault.cause?.error;
  if (code === "invalid_grant") session.forget();
  const unreachable = fault.cause?.code === "ECONNREFUSED";
  const message = unreachable
    ? `${session.issuer} ne répond pas. Lancez d’abord : make demo`
    : (MESSAGES[code] ?? "La connexion n’a pas abouti.");
  console.error(`refused: ${code ?? fault.message}`);
  return page(refused(session, message, code ?? fault.message), unreachable ? 502 : 400);
}

const server = createServer(async (request, response) => {
  const { status, body, headers } = await answer(request);
  response.writeHead(status, {
    "Cache-Control": "no-store",
    "Content-Security-Policy": `default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    // The address of /callback holds a code.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(body);
});
const address = () => `http://${HOST}:${server.address().port}`;

// Any port will do; 8003 is easy to remember.
server.on("error", (fault) => (fault.code === "EADDRINUSE" ? server.listen(0, HOST) : Promise.reject(fault)));
server.on("listening", () => console.log(`The app is on ${address()}`));
server.listen(Number(process.env.PORT ?? 8003), HOST);
