// Passkeys: the one thing here that cannot work without JavaScript. Every decision is the server's.
"use strict";

(() => {
  const hasPasskeys = "PublicKeyCredential" in window && "credentials" in navigator;

  const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // By hand, not parseRequestOptionsFromJSON() and toJSON(): phones of a few years ago have neither.
  function read(options) {
    const each = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));
    const out = { ...options, challenge: toBytes(options.challenge) };
    if (options.user) out.user = { ...options.user, id: toBytes(options.user.id) };
    if (options.allowCredentials) out.allowCredentials = each(options.allowCredentials);
    if (options.excludeCredentials) out.excludeCredentials = each(options.excludeCredentials);
    return out;
  }

  function write(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id, rawId: toText(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
      ...(credential.authenticatorAttachment && { authenticatorAttachment: credential.authenticatorAttachment }),
    });
  }

  // Asks for a challenge. Any answer but the expected one means that another page is due: it is loaded.
  async function ask(form) {
    const answer = await fetch(form.dataset.options, {
      method: "POST", redirect: "manual", cache: "no-store",
      headers: { Accept: "application/json" }, body: new URLSearchParams({ csrf: form.elements.csrf.value }),
    });
    if (answer.ok) return read(await answer.json());
    if (answer.type === "opaqueredirect" || answer.status < 429) location.assign(form.dataset.again);
    throw new Error("no challenge");
  }

  // A prompt that waits in the autofill of the number must end before another one may be shown.
  let waiting = null;
  function stopWaiting() {
    if (waiting) waiting.abort();
    waiting = null;
  }

  function send(form, credential) {
    form.elements.answer.value = write(credential);
    form.submit();
  }

  const says = { NotAllowedError: "cancelled", AbortError: "cancelled", InvalidStateError: "known",
    NotSupportedError: "unsupported", SecurityError: "unsupported", ConstraintError: "unsupported" };

  async function act(form, ceremony) {
    const button = form.querySelector("button"), status = form.querySelector("[role=status]");
    if (button.getAttribute("aria-disabled") === "true") return;
    stopWaiting();
    button.setAttribute("aria-disabled", "true");
    status.textContent = form.dataset.busy;
    try {
      send(form, await navigator.credentials[ceremony]({ publicKey: await ask(form) }));
    } catch (fault) {
      status.textContent = form.dataset[says[fault.name] || "failed"] || form.dataset.failed;
      button.removeAttribute("aria-disabled");
      if (ceremony === "get") waitInAutofill(form);
    }
  }

  // The passkey among the suggestions of the number field; its challenge is renewed before it dies.
  async function waitInAutofill(form) {
    const isThere = PublicKeyCredential.isConditionalMediationAvailable;
    if (!("autofill" in form.dataset) || !isThere || !(await isThere.call(PublicKeyCredential))) return;
    stopWaiting();
    const own = waiting = new AbortController();
    try {
      const publicKey = await ask(form);
      const renew = setTimeout(() => {
        if (waiting === own) waitInAutofill(form);
      }, Math.max(publicKey.timeout - 45000, 15000));
      own.signal.addEventListener("abort", () => clearTimeout(renew));
      send(form, await navigator.credentials.get({ publicKey, mediation: "conditional", signal: own.signal }));
    } catch {
      // Not chosen, or given up for the button: the form below is there.
    }
  }

  for (const form of document.querySelectorAll("form[data-ceremony]")) {
    const place = form.closest("[data-passkey]");
    if (!hasPasskeys) {
      if (place.dataset.unsupported) place.textContent = place.dataset.unsupported;
      place.hidden = !place.dataset.unsupported;
      continue;
    }
    place.hidden = false;
    form.addEventListener("submit", (event) => { event.preventDefault(); act(form, form.dataset.ceremony); });
    waitInAutofill(form);
  }

  // Whether this very device could keep a passkey: nobody else is offered one after a sign-in.
  const isThere = hasPasskeys && PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable;
  for (const field of isThere ? document.querySelectorAll("[data-platform]") : []) {
    isThere.call(PublicKeyCredential).then((yes) => { field.value = yes ? "yes" : ""; }).catch(() => {});
  }

  // What the phone should know of what we know (WebAuthn §5.1.10): silent, and not in every browser.
  const signal = (name, facts) => { if (hasPasskeys && PublicKeyCredential[name]) PublicKeyCredential[name](facts).catch(() => {}); };
  for (const note of document.querySelectorAll("[data-signal-unknown]")) {
    signal("signalUnknownCredential", { rpId: note.dataset.rp, credentialId: note.dataset.signalUnknown });
  }
  for (const note of document.querySelectorAll("[data-signal-accepted]")) {
    const { rp: rpId, user: userId, name } = note.dataset;
    signal("signalAllAcceptedCredentials",
      { rpId, userId, allAcceptedCredentialIds: note.dataset.signalAccepted.split(" ").filter(Boolean) });
    signal("signalCurrentUserDetails", { rpId, userId, name, displayName: name });
  }
})();
