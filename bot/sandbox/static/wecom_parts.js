// What several WeCom messages have in common.

import { el } from "./dom.js";

// A page opens in a tab of its own, and only a page does.
export function outward(url, look, text) {
  const safe = /^https?:/.test(url ?? "");
  return safe ? el("a", { class: look, href: url, target: "_blank", rel: "noopener noreferrer" }, text) : el("span", { class: look }, text);
}

// Pictures of other sites are not fetched: the page talks to this machine alone.
export function picture(url) {
  return el("div", { class: "card-picture" }, `〔图片〕${hostOf(url)}`);
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return "";
  }
}
