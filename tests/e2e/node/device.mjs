// A device by npm openid-client (RFC 8628): prints what it shows, polls, and prints what it verified at the end.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18 of Debian 12
const client = await import("openid-client");

const asked = JSON.parse(process.argv[2]); // issuer, client_id, scope
const say = (thing) => console.log(JSON.stringify(thing));
const config = await client.discovery(new URL(asked.issuer), asked.client_id, undefined, client.None(), {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});

const shown = await client.initiateDeviceAuthorization(config, { scope: asked.scope });
say(shown);
try {
  const tokens = await client.pollDeviceAuthorizationGrant(config, shown);
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  say({ claims: tokens.claims(), userinfo, refreshed_sub: refreshed.claims().sub });
} catch (fault) {
  say({ error: fault.error ?? String(fault) });
}
