// Sends the one form of a page whose answer cannot go in an address (form_post). By itself, and in words that every
// engine since 2009 knows: a relying party waits for it, and sesame.js is more than old or small browsers can read.
"use strict";

document.querySelector("form[data-send]").submit();
