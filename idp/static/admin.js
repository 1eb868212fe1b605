// Redirect URIs, judged while they are typed. Without it the same is said when the form is sent.
"use strict";

(() => {
  const judge = document.currentScript.dataset.judge;
  for (const area of document.querySelectorAll("#redirect_uris, #post_logout_redirect_uris")) {
    let timer = 0, asked = 0;
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const form = area.form, mine = (asked += 1);
        const body = new URLSearchParams({ csrf: form.elements.csrf.value, uris: area.value, kind: form.dataset.kind || "" });
        const answer = await fetch(judge, { method: "POST", body, cache: "no-store", redirect: "manual" }).catch(() => null);
        if (!answer || !answer.ok || mine !== asked) return;
        const known = area.parentElement.querySelector(".verdicts");
        const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".verdicts");
        if (known) known.remove();
        if (found) { found.setAttribute("role", "status"); area.after(found); }
      }, 400);
    });
  }
})();
