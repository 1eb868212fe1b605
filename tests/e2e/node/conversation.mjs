// What a scenario and its test say to each other, one JSON object a line: the test says who the client is, the scenario
// sends the person's browser somewhere, the test says what came back, and at last the scenario says what it found.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

globalThis.crypto ??= webcrypto; // Node 18 of Debian 12

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function hear() {
  const { value, done } = await lines.next();
  if (done) throw new Error("the test has gone");
  return JSON.parse(value);
}

export const say = (thing) => console.log(JSON.stringify(thing));

// Returns what comes to the redirect URI, as the libraries take it: an address, or a request whose form was posted.
export async function visit(address) {
  say({ open: String(address) });
  const { url, form } = await hear();
  return form ? new Request(url, { method: "POST", body: new URLSearchParams(form) }) : new URL(url);
}

// Show what a device shows; returns when the person has let it in.
export async function show(shown) {
  say({ shown });
  await hear();
}

// Returns the OAuth error of what must not work.
export async function refusal(attempt) {
  try {
    await attempt();
  } catch (fault) {
    const code = fault.error ?? fault.cause?.error;
    if (code) return code;
    throw fault;
  }
  throw new Error("this must not work, but it did");
}

const ALGORITHMS = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
  "ECDH-ES": { name: "ECDH", namedCurve: "P-256" },
  "RSA-OAEP-256": { name: "RSA-OAEP", hash: "SHA-256" },
};

// Returns a key of the client's as the libraries take it.
export async function read(jwk) {
  const usages = { "ECDH-ES": ["deriveBits"], "RSA-OAEP-256": ["decrypt"] }[jwk.alg] ?? ["sign"];
  const { use, key_ops, alg, ...bare } = jwk; // WebCrypto knows fewer names of algorithms than JOSE
  return { key: await crypto.subtle.importKey("jwk", bare, ALGORITHMS[alg], false, usages), kid: jwk.kid };
}
