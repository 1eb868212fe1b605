// Relying parties by npm oauth4webapi, the library beneath openid-client: every request and every check by hand.
import { read, refusal, show, visit } from "./conversation.mjs";
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

const LOOPBACK = { [oauth.allowInsecureRequests]: true };
const AUTHENTICATION = {
  client_secret_basic: ({ client_secret }) => oauth.ClientSecretBasic(client_secret),
  client_secret_jwt: ({ client_secret }) => oauth.ClientSecretJwt(client_secret),
  private_key_jwt: async ({ keys }) => oauth.PrivateKeyJwt(await read(keys.sig)),
  none: () => oauth.None(),
};

class RelyingParty {
  nonces = 0;

  static async connect(asked, options = {}) {
    const found = new RelyingParty();
    const issuer = new URL(asked.issuer);
    const discovered = await oauth.discoveryRequest(issuer, LOOPBACK);
    found.as = await oauth.processDiscoveryResponse(issuer, discovered);
    found.client = asked.metadata;
    found.auth = await AUTHENTICATION[asked.metadata.token_endpoint_auth_method](asked);
    found.key = asked.keys.sig && (await read(asked.keys.sig));
    if (options.proves) found.DPoP = oauth.DPoP(found.client, await oauth.generateKeyPair(options.proves));
    found.options = { ...LOOPBACK, DPoP: found.DPoP };
    return found;
  }

  // The two acts of the library, sending and checking; done again with the nonce that was asked for (RFC 9449 8).
  async call(send, check) {
    const once = async () => {
      const response = await send(this.options);
      const checked = await check(response);
      const is_signed = checked.id_token || /jwt$/.test(response.headers.get("content-type"));
      if (is_signed) await oauth.validateApplicationLevelSignature(this.as, response, LOOPBACK);
      return checked;
    };
    try {
      return await once();
    } catch (fault) {
      if (!oauth.isDPoPNonceError(fault)) throw fault;
      this.nonces += 1;
      return once();
    }
  }

  push(parameters) {
    const { as, client, auth } = this;
    return this.call(
      (options) => oauth.pushedAuthorizationRequest(as, client, auth, parameters, options),
      (response) => oauth.processPushedAuthorizationResponse(as, client, response),
    );
  }

  // Sign the parameters, push them, or both; returns what the browser carries.
  async prepare(parameters, { signs = false, pushes = false }) {
    const { client_id } = this.client;
    const signed = signs && { request: await oauth.issueRequestObject(this.as, this.client, parameters, this.key) };
    const sent = signed || parameters;
    return { client_id, ...(pushes ? { request_uri: (await this.push(sent)).request_uri } : sent) };
  }

  async answer(callback, state) {
    const parameters =
      callback instanceof URL ? callback.searchParams : new URLSearchParams(await oauth.formPostResponse(callback));
    if (!this.client.authorization_signed_response_alg) {
      return oauth.validateAuthResponse(this.as, this.client, parameters, state);
    }
    return oauth.validateJwtAuthResponse(this.as, this.client, parameters, state, LOOPBACK);
  }

  async signIn({ signs, pushes, ...more } = {}) {
    const { as, client, auth } = this;
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const parameters = {
      client_id: client.client_id,
      response_type: "code",
      redirect_uri: client.redirect_uris[0],
      scope: "openid profile email",
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...(client.authorization_signed_response_alg && { response_mode: "jwt" }),
      ...more,
    };
    const carried = await this.prepare(parameters, { signs, pushes });
    const callback = await visit(`${as.authorization_endpoint}?${new URLSearchParams(carried)}`);
    const answered = await this.answer(callback, state);
    const tokens = await this.call(
      (options) =>
        oauth.authorizationCodeGrantRequest(as, client, auth, answered, parameters.redirect_uri, verifier, options),
      (response) =>
        oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true }),
    );
    assert.equal(tokens.token_type, this.DPoP ? "dpop" : "bearer");
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const userinfo = await this.call(
      (options) => oauth.userInfoRequest(as, client, tokens.access_token, options),
      (response) => oauth.processUserInfoResponse(as, client, claims.sub, response),
    );
    assert.equal(userinfo.given_name, "Camille");
    return { ...tokens, claims };
  }

  refresh(refresh_token) {
    const { as, client, auth } = this;
    return this.call(
      (options) => oauth.refreshTokenGrantRequest(as, client, auth, refresh_token, options),
      (response) => oauth.processRefreshTokenResponse(as, client, response),
    );
  }

  introspect(token, more) {
    const { as, client, auth } = this;
    return this.call(
      (options) => oauth.introspectionRequest(as, client, auth, token, { ...options, ...more }),
      (response) => oauth.processIntrospectionResponse(as, client, response),
    );
  }

  async revoke(token) {
    const response = await oauth.revocationRequest(this.as, this.client, this.auth, token, LOOPBACK);
    await oauth.processRevocationResponse(response);
  }

  async useUp(tokens) {
    const refreshed = await this.refresh(tokens.refresh_token);
    const living = await this.introspect(refreshed.access_token);
    assert.equal(living.active, true);
    assert.equal(living.sub, tokens.claims.sub);
    assert.equal(living.cnf?.jkt, await this.DPoP?.calculateThumbprint());
    await this.revoke(refreshed.refresh_token);
    assert.equal(await refusal(() => this.refresh(refreshed.refresh_token)), "invalid_grant");
    assert.equal((await this.introspect(refreshed.access_token)).active, false);
  }
}

export const SCENARIOS = {
  async code(asked) {
    const rp = await RelyingParty.connect(asked);
    const tokens = await rp.signIn();
    const { active } = await rp.introspect(tokens.access_token, { requestJwtResponse: true });
    assert.equal(active, true);
    await rp.useUp(tokens);
    return { claims: (await rp.signIn({ pushes: true, response_mode: "form_post" })).claims };
  },

  async dpop(asked) {
    const rp = await RelyingParty.connect(asked, { proves: "ES256" });
    const tokens = await rp.signIn();
    await rp.useUp(tokens);
    return { claims: tokens.claims, nonces: rp.nonces };
  },

  async signed(asked) {
    const rp = await RelyingParty.connect(asked);
    assert.equal(await refusal(() => rp.signIn()), "invalid_request");
    const tokens = await rp.signIn({ signs: true });
    await rp.useUp(tokens);
    return { claims: (await rp.signIn({ signs: true, response_mode: "form_post.jwt" })).claims };
  },

  // FAPI 2.0 Security Profile and Message Signing, with everything that they ask for.
  async fapi(asked) {
    const rp = await RelyingParty.connect(asked, { proves: asked.keys.sig.alg });
    assert.equal(await refusal(() => rp.signIn({ signs: true })), "invalid_request");
    const tokens = await rp.signIn({ signs: true, pushes: true });
    await rp.useUp(tokens);
    return { claims: tokens.claims, nonces: rp.nonces };
  },

  // A machine's token is read by the API that it is for, as RFC 9068 and RFC 9449 say.
  async machine(asked) {
    const rp = await RelyingParty.connect(asked, { proves: "ES256" });
    const { as, client, auth } = rp;
    const api = client.resources[0];
    const tokens = await rp.call(
      (options) => oauth.clientCredentialsGrantRequest(as, client, auth, { resource: api }, options),
      (response) => oauth.processClientCredentialsResponse(as, client, response),
    );
    let came;
    const arrive = async (url, sent) => {
      came = new Request(url, sent);
      return new Response();
    };
    const options = { DPoP: rp.DPoP, [oauth.customFetch]: arrive };
    await oauth.protectedResourceRequest(tokens.access_token, "GET", new URL(api), undefined, undefined, options);
    const rules = { ...LOOPBACK, requireDPoP: true };
    const claims = await oauth.validateJwtAccessToken(as, came, api, rules);
    assert.equal(claims.client_id, client.client_id);
    assert.equal(claims.scope, "reports:read");
    await assert.rejects(oauth.validateJwtAccessToken(as, came, "https://other.example", rules));
    return { active: (await rp.introspect(tokens.access_token)).active };
  },

  // A device that proves itself with a key of its own (RFC 8628 with RFC 9449).
  async device(asked) {
    const rp = await RelyingParty.connect(asked, { proves: "ES256" });
    const { as, client, auth } = rp;
    const shown = await rp.call(
      (options) => oauth.deviceAuthorizationRequest(as, client, auth, { scope: "openid offline_access" }, options),
      (response) => oauth.processDeviceAuthorizationResponse(as, client, response),
    );
    const poll = () =>
      rp.call(
        (options) => oauth.deviceCodeGrantRequest(as, client, auth, shown.device_code, options),
        (response) => oauth.processDeviceCodeResponse(as, client, response),
      );
    assert.equal(await refusal(poll), "authorization_pending");
    await show(shown);
    await new Promise((resolve) => setTimeout(resolve, shown.interval * 1000));
    const tokens = await poll();
    assert.equal(tokens.token_type, "dpop");
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const refreshed = await rp.refresh(tokens.refresh_token);
    assert.equal(oauth.getValidatedIdTokenClaims(refreshed).sub, claims.sub);
    assert.equal(await refusal(poll), "invalid_grant");
    return { claims };
  },
};
