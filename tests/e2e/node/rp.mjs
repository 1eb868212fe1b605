// A relying party by npm openid-client. Reads its client from the first argument, prints one JSON object per line:
// first the address to open in a browser, at the end what it verified. Any fault ends it with a non-zero status.
import { createServer } from "node:http";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18 of Debian 12
const client = await import("openid-client");

const asked = JSON.parse(process.argv[2]); // issuer, client_id, client_secret?, port, scope, prompt?
const say = (thing) => console.log(JSON.stringify(thing));
const fails = async (attempt, code) => {
  try {
    await attempt();
  } catch (fault) {
    if (fault.error === code || fault.cause?.error === code) return code;
    throw fault;
  }
  throw new Error(`expected ${code}, but it worked`);
};

const config = await client.discovery(
  new URL(asked.issuer),
  asked.client_id,
  undefined,
  asked.client_secret ? client.ClientSecretBasic(asked.client_secret) : client.None(),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);

const redirect_uri = `http://127.0.0.1:${asked.port}/callback`;
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const expectedNonce = client.randomNonce();
const answered = new Promise((resolve) => {
  const server = createServer((request, response) => {
    response.end("<!doctype html><title>Back</title><p id=back>Back at the relying party.");
    if (!request.url.startsWith("/callback")) return;
    server.close();
    resolve(new URL(request.url, redirect_uri));
  });
  server.listen(asked.port, "127.0.0.1", () => {
    const parameters = { redirect_uri, scope: asked.scope, state: expectedState, nonce: expectedNonce, code_challenge_method: "S256" };
    client.calculatePKCECodeChallenge(pkceCodeVerifier).then((code_challenge) => {
      if (asked.prompt) parameters.prompt = asked.prompt;
      say({ open: client.buildAuthorizationUrl(config, { ...parameters, code_challenge }).href });
    });
  });
});

const callback = await answered;
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(config, callback, checks);
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
const found = {
  claims,
  userinfo,
  refreshed_sub: refreshed.claims()?.sub,
  rotated: refreshed.refresh_token !== tokens.refresh_token,
};
if (asked.client_secret) {
  found.active = (await client.tokenIntrospection(config, refreshed.access_token)).active;
}
await client.tokenRevocation(config, refreshed.refresh_token);
found.refresh_after_revocation = await fails(() => client.refreshTokenGrant(config, refreshed.refresh_token), "invalid_grant");
if (asked.client_secret) {
  found.active_after_revocation = (await client.tokenIntrospection(config, refreshed.access_token)).active;
}
found.end_session = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token }).href;
say(found);
