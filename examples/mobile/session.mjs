// What the app keeps of a sign-in, and every request that it sends to the provider. npm oauth4webapi does the protocol:
// PKCE, `state`, `nonce`, `iss`, DPoP proofs, the ID token's signature and claims. Nothing in here knows of screens.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18
const oauth = await import("oauth4webapi");

const SCOPE = "openid profile email offline_access";
// RFC 9449 11.6; on a phone this key is made in the Secure Enclave or the Keystore, and never leaves it either.
const PROOF_ALGORITHM = "ES256";
// A loopback provider speaks plain http; any other must be https.
const isLoopback = (url) => ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);

export class Session {
  tokens = null;
  refreshed = 0;
  journal = [];
  #waiting = new Map();
  #dpop = null;
  #provider = null;

  constructor({ issuer, client_id }) {
    this.issuer = new URL(issuer);
    this.client = { client_id };
    this.options = { [oauth.allowInsecureRequests]: isLoopback(this.issuer), signal: () => AbortSignal.timeout(10_000) };
  }

  /** The address to open in the system browser (RFC 8252 4.1): never a web view, which could read the password. */
  async begin(redirect_uri, wishes = {}) {
    const provider = await this.#discover();
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    this.#waiting.set(state, { verifier, nonce, redirect_uri });
    // Whoever taps ten times leaves nine sign-ins behind.
    for (const old of [...this.#waiting.keys()].slice(0, -10)) this.#waiting.delete(old);
    const asked = {
      client_id: this.client.client_id,
      redirect_uri,
      response_type: "code",
      scope: SCOPE,
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      // RFC 9449 10: the code is worth nothing without this app's key, whoever catches it on its way.
      dpop_jkt: await (await this.#proof()).calculateThumbprint(),
      ui_locales: "fr",
      ...wishes,
    };
    this.#note("Ouvre le navigateur", `${redirect_uri} · PKCE S256 · clé DPoP ${asked.dpop_jkt.slice(0, 8)}…`);
    return `${provider.authorization_endpoint}?${new URLSearchParams(asked)}`;
  }

  /** Take what the browser brought back, exchange the code, and only then believe who came. */
  async finish(callback) {
    const provider = await this.#discover();
    const begun = this.#waiting.get(callback.searchParams.get("state"));
    if (!begun) throw new Error("nothing was begun with this state");
    this.#waiting.delete(callback.searchParams.get("state"));
    const answer = oauth.validateAuthResponse(provider, this.client, callback, callback.searchParams.get("state"));
    const { redirect_uri, verifier, nonce } = begun;
    const tokens = await this.#call(
      (options) =>
        oauth.authorizationCodeGrantRequest(provider, this.client, oauth.None(), answer, redirect_uri, verifier, options),
      (response) =>
        oauth.processAuthorizationCodeResponse(provider, this.client, response, {
          expectedNonce: nonce,
          requireIdToken: true,
        }),
    );
    this.#keep(tokens, oauth.getValidatedIdTokenClaims(tokens));
    this.refreshed = 0;
    this.#note("Échange le code", `jetons « ${tokens.token_type} », ${tokens.expires_in} s`);
    await this.#read_profile();
  }

  /** Get fresh tokens without the person. The old refresh token is used up, the new one is bound to our key. */
  async refresh() {
    const tokens = await this.#send_refresh(this.tokens.refresh_token);
    this.#take_over(tokens);
    this.#note("Actualise", "un nouveau jeton d’actualisation");
    await this.#read_profile();
  }

  /** The train enters a tunnel: the provider has answered, the app has not heard. It asks again with what it has. */
  async refresh_with_lost_reply() {
    const known = this.tokens.refresh_token;
    const lost = await this.#send_refresh(known);
    const again = await this.#send_refresh(known);
    const same = lost.refresh_token === again.refresh_token;
    this.#take_over(again);
    this.#note("Actualise deux fois", same ? "même successeur : rien n’est perdu" : "un autre successeur");
    return same;
  }

  /** Leave: the provider ends the refresh token and what it bought (RFC 7009); then the app forgets it. */
  async leave() {
    const { tokens } = this;
    this.tokens = null;
    if (!tokens) return;
    const provider = await this.#discover();
    const sent = [provider, this.client, oauth.None(), tokens.refresh_token, this.#options()];
    await oauth.processRevocationResponse(await oauth.revocationRequest(...sent));
    // The browser is still signed in, as on a phone; here is where that ends too.
    this.sign_out_url = `${provider.end_session_endpoint}?${new URLSearchParams({ id_token_hint: tokens.id_token })}`;
    this.#note("Se déconnecte", "le jeton d’actualisation est révoqué");
  }

  forget() {
    this.tokens = null;
  }

  async #send_refresh(token) {
    const provider = await this.#discover();
    return this.#call(
      (options) => oauth.refreshTokenGrantRequest(provider, this.client, oauth.None(), token, options),
      (response) => oauth.processRefreshTokenResponse(provider, this.client, response),
    );
  }

  async #read_profile() {
    const provider = await this.#discover();
    this.profile = await this.#call(
      (options) => oauth.userInfoRequest(provider, this.client, this.tokens.access_token, options),
      (response) => oauth.processUserInfoResponse(provider, this.client, this.claims.sub, response),
    );
  }

  #take_over(tokens) {
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (claims && claims.sub !== this.claims.sub) throw new Error("the new ID token speaks of someone else"); // Core 12.2
    this.#keep({ ...this.tokens, ...tokens }, claims ?? this.claims);
    this.refreshed += 1;
  }

  #keep(tokens, claims) {
    this.tokens = tokens;
    this.claims = claims;
    this.ends_at = Date.now() + tokens.expires_in * 1000;
  }

  async #discover() {
    if (!this.#provider) {
      const response = await oauth.discoveryRequest(this.issuer, this.options);
      this.#provider = await oauth.processDiscoveryResponse(this.issuer, response);
    }
    return this.#provider;
  }

  async #proof() {
    // Not extractable: even this program cannot read the private half.
    this.#dpop ??= oauth.DPoP(this.client, await oauth.generateKeyPair(PROOF_ALGORITHM, { extractable: false }));
    return this.#dpop;
  }

  #options() {
    return { ...this.options, DPoP: this.#dpop };
  }

  // Send, check, and verify the signature of an ID token; once more if the provider asks for its nonce (RFC 9449 8).
  async #call(send, check) {
    await this.#proof();
    const once = async () => {
      const response = await send(this.#options());
      const checked = await check(response);
      if (checked.id_token) {
        await oauth.validateApplicationLevelSignature(await this.#discover(), response, this.options);
      }
      return checked;
    };
    try {
      return await once();
    } catch (fault) {
      if (!oauth.isDPoPNonceError(fault)) throw fault;
      return once();
    }
  }

  #note(what, detail) {
    this.journal.unshift({ at: new Date(), what, detail });
    this.journal.length = Math.min(this.journal.length, 12);
  }
}
