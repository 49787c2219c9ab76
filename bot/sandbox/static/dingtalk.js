// Draws what the pretend DingTalk put on a phone: text, Markdown and the "Markdown and buttons" template card.

import { el } from "./dom.js";
import { DINGTALK, markdown, plainText } from "./markdown.js";

export const dingtalk = {
  key: "dingtalk",
  name: "钉钉",

  draw(payload, onPress) {
    if (payload.msgtype === "text") return { node: el("div", { class: "plain" }, payload.text), copy: payload.text };
    if (payload.msgtype === "markdown") return { node: markdown(payload.text, DINGTALK), copy: plainText(payload.text) };
    if (payload.msgtype === "card") return drawCard(payload.cardParamMap ?? {}, onPress);
    return { node: el("div", { class: "plain" }, `〔${payload.msgtype}〕`), copy: "" };
  },
};

// The template's list variables travel as one JSON string, `sys_full_json_obj`.
function drawCard(params, onPress) {
  const buttons = parse(params.sys_full_json_obj).msgButtons ?? [];
  const node = el(
    "div",
    { class: "card" },
    params.title ? el("h3", { class: "card-title" }, params.title) : null,
    params.markdown ? markdown(params.markdown, DINGTALK) : null,
    params.tips ? el("p", { class: "card-small" }, params.tips) : null,
    buttons.length ? el("div", { class: "card-buttons" }, ...buttons.map((button) => drawButton(button, onPress))) : null,
  );
  return { node, copy: plainText(withoutFields(params.markdown ?? params.title ?? "")), wide: true };
}

// Who copies a card wants the draft, not the "**name**：value" lines that stand before it.
function withoutFields(text) {
  const [head, ...rest] = text.split(/\n{2,}/);
  const onlyFields = head.split("\n").every((line) => /^\*\*[^*]+\*\*：/.test(line));
  return onlyFields && rest.length ? rest.join("\n\n") : text;
}

function drawButton({ text, color, id, url }, onPress) {
  const look = color === "blue" ? "primary" : "quiet";
  if (url) return el("a", { class: `press ${look}`, href: /^https?:/.test(url) ? url : "#", target: "_blank", rel: "noopener noreferrer" }, text);
  return el("button", { type: "button", class: `press ${look}`, onclick: (event) => onPress(id, event.currentTarget) }, text);
}

function parse(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {};
  }
}
