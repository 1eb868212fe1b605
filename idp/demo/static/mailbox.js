// Shows a new message as soon as it is there; without scripts the link « Actualiser » does it.
const newest = Number(document.querySelector("main").dataset.newest);

setInterval(async () => {
  try {
    const messages = await (await fetch("/messages.json")).json();
    if ((messages[0]?.id ?? 0) !== newest) location.reload();
  } catch {
    // The demonstration is stopped or starting again: keep asking.
  }
}, 2000);
