// Relying parties by npm openid-client, which verifies whatever it is answered; here is asserted what it cannot know.
import { read, refusal, visit } from "./conversation.mjs";
import assert from "node:assert/strict";
import * as client from "openid-client";

const AUTHENTICATION = {
  client_secret_basic: ({ client_secret }) => client.ClientSecretBasic(client_secret),
  client_secret_post: ({ client_secret }) => client.ClientSecretPost(client_secret),
  client_secret_jwt: ({ client_secret }) => client.ClientSecretJwt(client_secret),
  private_key_jwt: async ({ keys }) => client.PrivateKeyJwt(await read(keys.sig)),
  none: () => client.None(),
};

async function connect(asked, ...more) {
  const { client_id, token_endpoint_auth_method } = asked.metadata;
  const authentication = await AUTHENTICATION[token_endpoint_auth_method](asked);
  const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...more];
  const config = await client.discovery(new URL(asked.issuer), client_id, asked.metadata, authentication, { execute });
  config.nonces = 0;
  // The library sends a request again by itself with the nonce that was asked for (RFC 9449 §8); here it is counted.
  config[client.customFetch] = async (url, sent) => {
    const response = await fetch(url, sent);
    if (response.status >= 400 && response.headers.has("dpop-nonce")) config.nonces += 1;
    return response;
  };
  return config;
}

// How an authorization request is sent. Each says what the browser carries.
const SENDING = {
  plain: (config, parameters) => client.buildAuthorizationUrl(config, parameters),
  signed: async (config, parameters, { keys }) =>
    carries(["client_id", "request"], await client.buildAuthorizationUrlWithJAR(config, parameters, await read(keys.sig))),
  pushed: async (config, parameters, _, options) =>
    carries(["client_id", "request_uri"], await client.buildAuthorizationUrlWithPAR(config, parameters, options)),
  "signed and pushed": async (config, parameters, asked, options) => {
    const signed = await SENDING.signed(config, parameters, asked);
    return SENDING.pushed(config, signed.searchParams, asked, options);
  },
};

function carries(names, url) {
  const rest = [...url.searchParams.keys()].filter((name) => name !== "response_type" && name !== "response_mode");
  assert.deepEqual(rest.sort(), names);
  return url;
}

async function signIn(config, asked, { sending = "plain", options, ...more } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri: asked.metadata.redirect_uris[0],
    scope: "openid profile email",
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...more,
  };
  const callback = await visit(await SENDING[sending](config, parameters, asked, options));
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, options);
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, options);
  assert.equal(userinfo.given_name, "Camille");
  return tokens;
}

// Refresh, introspection, revocation: what happens to tokens afterwards.
async function useUp(config, tokens, options, { rotates = true } = {}) {
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, options);
  assert.equal(refreshed.claims().sub, tokens.claims().sub);
  assert.equal(refreshed.refresh_token !== tokens.refresh_token, rotates);
  const living = await client.tokenIntrospection(config, refreshed.access_token);
  assert.equal(living.active, true);
  assert.equal(living.sub, tokens.claims().sub);
  await client.tokenRevocation(config, refreshed.refresh_token);
  const again = () => client.refreshTokenGrant(config, refreshed.refresh_token, undefined, options);
  assert.equal(await refusal(again), "invalid_grant");
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false);
  return living;
}

// The token is bound to the key: as a bearer token it is worth nothing, with another key neither.
async function checkBinding(config, tokens) {
  assert.equal(tokens.token_type, "dpop");
  const subject = tokens.claims().sub;
  for (const held of [undefined, await proving(config)]) {
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, subject, held), (fault) => fault.status === 401);
  }
}

const proving = async (config, alg = "ES256") => ({
  DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg)),
});

export const SCENARIOS = {
  async code(asked) {
    const config = await connect(asked);
    const tokens = await signIn(config, asked);
    const living = await useUp(config, tokens);
    assert.equal(living.client_id, asked.metadata.client_id);
    const posted = await signIn(config, asked, { response_mode: "form_post" });
    const post_logout_redirect_uri = asked.metadata.post_logout_redirect_uris[0];
    const parameters = { id_token_hint: posted.id_token, post_logout_redirect_uri, state: "å=&+" };
    const left = await visit(client.buildEndSessionUrl(config, parameters));
    assert.equal(left.origin + left.pathname, post_logout_redirect_uri);
    assert.equal(left.searchParams.get("state"), "å=&+");
    return { claims: tokens.claims() };
  },

  async par(asked) {
    const config = await connect(asked);
    return { claims: (await signIn(config, asked, { sending: "pushed" })).claims() };
  },

  // Registered so: every request signed, every answer signed.
  async signed(asked) {
    const config = await connect(asked, client.useJwtResponseMode);
    assert.equal(await refusal(() => signIn(config, asked)), "invalid_request");
    const tokens = await signIn(config, asked, { sending: "signed" });
    await useUp(config, tokens);
    await signIn(config, asked, { sending: "signed and pushed" });
    await signIn(config, asked, { sending: "signed", response_mode: "form_post.jwt" });
    return { claims: tokens.claims() };
  },

  async encrypted(asked) {
    const decrypting = await read(asked.keys.enc);
    const config = await connect(asked, (made) =>
      client.enableDecryptingResponses(made, ["A256GCM"], { ...decrypting, alg: asked.keys.enc.alg }),
    );
    const tokens = await signIn(config, asked);
    assert.equal(tokens.id_token.split(".").length, 5);
    return { claims: tokens.claims() };
  },

  async dpop(asked) {
    const config = await connect(asked);
    const options = await proving(config);
    const tokens = await signIn(config, asked, { options });
    await checkBinding(config, tokens);
    const living = await useUp(config, tokens, options);
    assert.equal(living.cnf.jkt, await options.DPoP.calculateThumbprint());
    return { claims: tokens.claims(), nonces: config.nonces };
  },

  async fapi(asked) {
    const config = await connect(asked, client.useJwtResponseMode);
    const options = await proving(config, asked.keys.sig.alg);
    assert.equal(await refusal(() => signIn(config, asked, { options, sending: "pushed" })), "invalid_request");
    const tokens = await signIn(config, asked, { options, sending: "signed and pushed" });
    await checkBinding(config, tokens);
    const living = await useUp(config, tokens, options, { rotates: false });
    assert.equal(living.cnf.jkt, await options.DPoP.calculateThumbprint());
    return { claims: tokens.claims(), nonces: config.nonces };
  },

  async machine(asked) {
    const config = await connect(asked);
    const resource = asked.metadata.resources[0];
    const tokens = await client.clientCredentialsGrant(config, { scope: "reports:read", resource });
    assert.equal(tokens.scope, "reports:read");
    const refused = () => client.clientCredentialsGrant(config, { scope: "reports:write" });
    assert.equal(await refusal(refused), "invalid_scope");
    return { active: (await client.tokenIntrospection(config, tokens.access_token)).active };
  },
};
