// The app's screens, as HTML. They work without JavaScript; a phone's app would draw the same with its own widgets.

const LEVELS = {
  "urn:sesame:acr:2sv": "par mot de passe, puis un code reçu par e-mail",
  "urn:sesame:acr:mfa": "par mot de passe, puis un code reçu par SMS",
  phr: "par visage, empreinte ou code de l’appareil",
};

const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const safe = (text) => String(text ?? "").replace(/[&<>"']/g, (sign) => SIGNS[sign]);
const time = (moment) => moment.toLocaleTimeString("fr-FR");

const frame = (title, main, { journal = [] } = {}) => `<!doctype html>
<html lang="fr">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${safe(title)} – Mon Compte</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/style.css">
</head>
<body>
  <div class="phone">
    <header><span class="brand">Mon Compte</span> <span class="muted">application d’exemple</span></header>
    <main>${main}</main>
    <footer>
      <details>
        <summary>Ce que l’application a fait</summary>
        <ol id="journal">${journal
          .map(({ at, what, detail }) => `<li><b>${safe(what)}</b>, ${time(at)}<br><span>${safe(detail)}</span></li>`)
          .join("")}</ol>
      </details>
    </footer>
  </div>
</body>
</html>`;

export function welcome(session, notice = "") {
  return frame(
    "Bienvenue",
    `${notice && `<p class="notice" id="notice" role="status">${safe(notice)}</p>`}
    <h1>Vos droits, dans votre poche</h1>
    <p>Connectez-vous avec votre visage, votre empreinte, ou votre mot de passe et un code.</p>
    <p><a class="button" id="login" href="/login">Se connecter</a></p>
    <p class="muted">Le navigateur s’ouvre : l’application ne voit jamais votre mot de passe.</p>
    ${session.sign_out_url ? `<p><a id="browser-logout" href="${safe(session.sign_out_url)}">Se déconnecter aussi du navigateur</a></p>` : ""}`,
    session,
  );
}

export function home(session, notice = "") {
  const { claims, profile, tokens, refreshed, ends_at } = session;
  const seconds = Math.max(0, Math.round((ends_at - Date.now()) / 1000));
  return frame(
    "Mes droits",
    `${notice && `<p class="notice" id="notice" role="status">${safe(notice)}</p>`}
    <h1 id="hello">Bonjour ${safe(profile.given_name)}</h1>
    <p>Vous êtes connecté <span id="how">${safe(LEVELS[claims.acr] ?? claims.acr)}</span>.</p>
    <section aria-labelledby="tokens-title">
      <h2 id="tokens-title">Jetons</h2>
      <dl>
        <dt>Type</dt><dd id="token-type">${safe(tokens.token_type)}</dd>
        <dt>Niveau</dt><dd id="acr">${safe(claims.acr)}</dd>
        <dt>Preuves</dt><dd id="amr">${safe((claims.amr ?? []).join(", "))}</dd>
        <dt>Encore</dt><dd>${seconds} s</dd>
        <dt>Actualisés</dt><dd id="refreshed">${refreshed} fois</dd>
      </dl>
      <form method="post" action="/refresh"><button class="second" id="refresh">Actualiser</button></form>
      <form method="post" action="/lost-reply"><button class="second" id="lost-reply">Perdre la réponse</button></form>
    </section>
    <p><a id="account" href="${safe(session.issuer.origin)}/account/passkeys">Activer mon visage ou mon empreinte</a></p>
    <form method="post" action="/logout"><button id="logout">Se déconnecter</button></form>`,
    session,
  );
}

export function refused(session, message, detail) {
  return frame(
    "Connexion interrompue",
    `<h1>Vous n’êtes pas connecté</h1>
    <p id="refused">${safe(message)}</p>
    <p><a class="button" id="login" href="/login">Réessayer</a></p>
    <p class="muted"><code>${safe(detail)}</code></p>`,
    session,
  );
}
