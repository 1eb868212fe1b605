// Comforts of the pages. Everything works without this file; nothing here decides anything.
"use strict";

const find = (id) => document.getElementById(id);
const every = (selector, fn) => document.querySelectorAll(selector).forEach(fn);

// What is wrong is read first.
function focusSummary() {
  const summary = find("error-summary");
  if (summary) summary.focus();
}

const lang = document.documentElement.lang;

function clockTime(moment) {
  const [hours, minutes] = [moment.getHours(), String(moment.getMinutes()).padStart(2, "0")];
  return lang === "fr" ? `${hours}\u00a0h\u00a0${minutes}` : `${String(hours).padStart(2, "0")}:${minutes}`;
}

// Times of day on the reader's own clock: she may live in Réunion or Guyane. The day is said only when it is another.
function showLocalTimes() {
  every("time[data-clock]", (time) => { time.textContent = clockTime(new Date(time.dateTime)); });
  every("time[data-near]", (time) => {
    const moment = new Date(time.dateTime);
    const isToday = moment.toDateString() === new Date().toDateString();
    // As `i18n.day`: « 1er avril », which no browser says by itself.
    const day = moment.toLocaleDateString(lang, { day: "numeric", month: "long", year: "numeric" })
      .replace(lang.startsWith("fr") ? /^1 / : /^$/, "1er ").replace(" ", "\u00a0");
    time.textContent = (isToday ? time.dataset.near : time.dataset.far)
      .replace("{d}", day).replace("{t}", clockTime(moment));
  });
}

// The number, read back in the groups of the card.
function echoNumber() {
  const field = find("nir"), echo = find("nir-echo"), letters = find("nir-letters");
  if (!field || !echo) return;
  const cuts = [1, 3, 5, 7, 10, 13, 15];
  const show = () => {
    const kept = field.value.toUpperCase().replace(/[^0-9AB]/g, "").slice(0, 15);
    echo.textContent = cuts.map((end, i) => kept.slice(i ? cuts[i - 1] : 0, end)).filter(Boolean).join("\u00a0");
    echo.hidden = kept.length < 2;
  };
  field.addEventListener("input", show);
  show();
  // Digits first on phones; who was born in Corsica asks for the letters.
  if (!/[ab]/i.test(field.value)) {
    field.inputMode = "numeric";
    letters.hidden = false;
  }
  letters.addEventListener("click", () => {
    field.inputMode = "text";
    letters.hidden = true;
    find("nir-status").textContent = letters.dataset.said;
    field.focus();
  });
}

function showPassword(id) {
  const field = find(id), button = find(`${id}-show`), status = find(`${id}-status`);
  if (!field || !button) return;
  const set = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? button.dataset.hide : button.dataset.show;
    button.setAttribute("aria-label", shown ? button.dataset.hideFull : button.dataset.showFull);
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    set(shown);
    status.textContent = shown ? button.dataset.shown : button.dataset.hidden;
  });
  // Never leave a readable password to the browser's form history.
  field.form.addEventListener("submit", () => set(false));
}

function offerPrint() {
  const button = find("print");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

const showPasswords = () => ["password", "new-password"].forEach(showPassword);

function warnOfCapsLock() {
  const field = find("password"), caps = find("caps");
  if (!field || !caps) return;
  const look = (event) => {
    if (!event.getModifierState) return;
    const text = event.getModifierState("CapsLock") ? caps.dataset.said : "";
    if (caps.textContent !== text) caps.textContent = text;
  };
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { caps.textContent = ""; });
}

// The button stays where it is and can be reached; while it waits it says how long.
function countToResend() {
  const button = find("resend-code"), note = find("resend-wait"), status = find("resend-status");
  if (!button || !note) return;
  const ready = Date.now() + Number(button.dataset.wait) * 1000;
  if (ready <= Date.now()) return;
  const left = () => Math.ceil((ready - Date.now()) / 1000);
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-describedby", note.id);
  note.hidden = false;
  button.form.addEventListener("submit", (event) => { if (left() > 0) event.preventDefault(); });
  const tick = () => {
    if (left() > 0) {
      note.textContent = button.dataset.said.replace("{s}", left());
      return;
    }
    clearInterval(timer);
    button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-describedby");
    note.hidden = true;
    if (find("resend-code").closest("details")?.open) status.textContent = button.dataset.ready;
  };
  const timer = setInterval(tick, 1000);
  tick();
}

// Said three times, never each second: five minutes, one minute, over.
function tellCodeTime() {
  const timer = find("code-timer");
  if (!timer) return;
  // Seconds where the page knows them: clocks of phones are sometimes wrong.
  const left = timer.dataset.left;
  const ends = left ? Date.now() + Number(left) * 1000 : new Date(timer.dataset.ends).getTime();
  for (const [text, before] of [["t5", 300], ["t1", 60], ["t0", 0]]) {
    const wait = ends - before * 1000 - Date.now();
    if (wait > 0) setTimeout(() => { timer.textContent = timer.dataset[text]; }, wait);
  }
}

function countPause() {
  every("[data-pause]", (note) => {
    const until = Date.now() + Number(note.dataset.pause) * 60000;
    const tick = () => {
      const minutes = Math.ceil((until - Date.now()) / 60000);
      const text = minutes > 90 ? note.dataset.hours.replace("{n}", Math.ceil(minutes / 60))
        : minutes > 1 ? note.dataset.many.replace("{n}", minutes)
          : minutes === 1 ? note.dataset.one : note.dataset.over;
      if (note.textContent !== text) note.textContent = text;
      if (minutes < 1) clearInterval(timer);
    };
    const timer = setInterval(tick, 5000);
    tick();
  });
}

// A text message's code, on browsers that hand it over after asking (WebOTP).
function takeCodeFromMessage() {
  const field = find("code");
  if (!field || field.dataset.channel !== "sms" || !("OTPCredential" in window)) return;
  const stop = new AbortController();
  field.form.addEventListener("submit", () => stop.abort());
  navigator.credentials.get({ otp: { transport: ["sms"] }, signal: stop.signal })
    .then((found) => { field.value = found.code; field.form.requestSubmit(); })
    .catch(() => {});
}

// A double click sends a form once.
function sendOnce() {
  every("form[data-once]", (form) => {
    let sentAt = 0;
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      if (Date.now() - sentAt < 3000) event.preventDefault();
      else sentAt = Date.now();
    });
  });
}

// While a message is under way the page asks a few times what became of it: accepted, or refused and what else there is.
function followDelivery() {
  const status = find("delivery");
  if (!status) return;
  const pauses = [2, 4, 10, 30, 60];
  const ask = async () => {
    if (document.visibilityState !== "visible") return again();
    const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" }).catch(() => null);
    if (!answer || answer.status >= 500) return again();
    const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("delivery");
    if (!fresh) {
      // Another page is due, such as the one that offers another way; what is being typed is not thrown away.
      if (!find("code").value) location.reload();
    } else if (fresh.dataset.state === status.dataset.state) {
      again();
    } else if (fresh.dataset.state === "refused" && !find("code").value) {
      location.reload();
    } else {
      status.dataset.state = fresh.dataset.state;
      if (!("follow" in fresh.dataset)) delete status.dataset.follow;
      status.replaceChildren(...fresh.childNodes);
      showLocalTimes();
      again();
    }
  };
  const again = () => {
    if ("follow" in status.dataset && pauses.length) setTimeout(ask, pauses.shift() * 1000);
  };
  again();
}

const onReturn = (fn) => document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") fn();
});

// Another tab may have moved this sign-in on: a tab that is looked at again follows, unless it only waits out a pause.
function followOtherTab() {
  if (!document.querySelector("form[data-once]")) return;
  onReturn(() => fetch(location.pathname, { redirect: "manual", cache: "no-store" })
    .then((answer) => { if (answer.type === "opaqueredirect") location.replace(location.pathname); })
    .catch(() => {}));
}

// A sign-in that is over goes on by itself, but only in a tab that is come back to: the back button must not bounce.
function goOn() {
  every("a[data-continue]", (link) => onReturn(() => link.click()));
}

// The services that learn of it by the browser have done so when the page and its frames have loaded, or had their time.
function goOnWhenTold() {
  every("a[data-when-told]", (link) => {
    const go = () => location.replace(link.href);
    setTimeout(go, link.dataset.whenTold * 1000);
    if (document.readyState === "complete") go();
    else window.addEventListener("load", go);
  });
}

for (const comfort of [
  offerPrint,
  focusSummary, showLocalTimes, echoNumber, showPasswords, warnOfCapsLock, countToResend, tellCodeTime,
  countPause, takeCodeFromMessage, sendOnce, followDelivery, followOtherTab, goOn, goOnWhenTold,
]) comfort();
