// Redirect URIs, judged while they are typed. Without it the same is said when the form is sent.
"use strict";

(() => {
  const judge = document.currentScript.dataset.judge;
  for (const area of document.querySelectorAll("#redirect_uris, #post_logout_redirect_uris")) {
    let timer = 0, asked = 0;
    const told = document.createElement("div");
    told.setAttribute("role", "status");
    area.after(told);
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const form = area.form, mine = (asked += 1);
        const body = new URLSearchParams({ csrf: form.elements.csrf.value, uris: area.value, kind: form.dataset.kind || "" });
        const answer = await fetch(judge, { method: "POST", body, cache: "no-store", redirect: "manual" }).catch(() => null);
        if (!answer || !answer.ok || mine !== asked) return;
        const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".verdicts");
        // What the server said of an earlier version goes.
        for (const old of area.parentElement.querySelectorAll(".verdicts")) old.remove();
        if (found) told.append(found);
      }, 400);
    });
  }
})();
