// Draws what the pretend WeCom put on a phone: text, Markdown, template cards (button_interaction, text_notice).

import { el } from "./dom.js";
import { WECOM, markdown, plainText } from "./markdown.js";

const PRIMARY = 1;
const STYLES = { 1: "primary", 2: "quiet", 3: "danger", 4: "quiet" };

export const wecom = {
  key: "wecom",
  name: "企业微信",

  draw(payload, onPress) {
    if (payload.msgtype === "text") return { node: el("div", { class: "plain" }, payload.text.content), copy: payload.text.content };
    if (payload.msgtype === "markdown") {
      const { content } = payload.markdown;
      return { node: markdown(content, WECOM), copy: plainText(content) };
    }
    if (payload.msgtype === "template_card") return drawCard(payload.template_card, onPress);
    return { node: el("div", { class: "plain" }, `〔${payload.msgtype}〕`), copy: "" };
  },
};

function drawCard(card, onPress) {
  const { title = "", desc = "" } = card.main_title ?? {};
  const fields = card.horizontal_content_list ?? [];
  const node = el(
    "div",
    { class: "card" },
    card.source?.desc ? el("p", { class: "card-source" }, card.source.desc) : null,
    title ? el("h3", { class: "card-title" }, title) : null,
    desc ? el("p", { class: "card-small" }, desc) : null,
    card.emphasis_content?.title ? el("p", { class: "card-emphasis" }, card.emphasis_content.title) : null,
    card.sub_title_text ? el("p", { class: "card-text" }, card.sub_title_text) : null,
    fields.length ? fieldList(fields) : null,
    buttons(card, onPress),
  );
  return { node, copy: card.sub_title_text || title, wide: true };
}

function fieldList(fields) {
  return el("dl", { class: "card-fields" }, ...fields.flatMap(({ keyname, value }) => [el("dt", {}, keyname), el("dd", {}, value ?? "")]));
}

// `replace_text` turns the buttons into one grey one that cannot be pressed (WeCom doc 94888).
function buttons(card, onPress) {
  if (card.replace_text) {
    return el("div", { class: "card-buttons" }, el("button", { type: "button", class: "press quiet", disabled: true }, card.replace_text));
  }
  const list = card.button_list ?? [];
  if (!list.length) return null;
  return el(
    "div",
    { class: "card-buttons" },
    ...list.map(({ text, style = PRIMARY, key }) =>
      el("button", { type: "button", class: `press ${STYLES[style] ?? "primary"}`, onclick: (event) => onPress(key, event.currentTarget) }, text),
    ),
  );
}
