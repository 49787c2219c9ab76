// The five template cards of WeCom. What is chosen on a card travels with the press of its button.

import { el } from "./dom.js";
import { outward, picture } from "./wecom_parts.js";

const PRIMARY = 1;
const STYLES = { 1: "primary", 2: "quiet", 3: "danger", 4: "quiet" };
const OPENS_PAGE = 1;

export function drawCard(card, onPress) {
  const { title = "", desc = "" } = card.main_title ?? {};
  const fields = card.horizontal_content_list ?? [];
  const chosen = {};
  const node = el(
    "div",
    { class: "card" },
    card.source?.desc ? el("p", { class: "card-source" }, card.source.desc) : null,
    title ? el("h3", { class: "card-title" }, title) : null,
    desc ? el("p", { class: "card-small" }, desc) : null,
    card.card_image ? picture(card.card_image.url) : null,
    card.emphasis_content?.title ? el("p", { class: "card-emphasis" }, card.emphasis_content.title) : null,
    card.sub_title_text ? el("p", { class: "card-text" }, card.sub_title_text) : null,
    ...(card.vertical_content_list ?? []).map(paragraph),
    fields.length ? fieldList(fields) : null,
    ...(card.replace_text ? [] : choices(card, chosen)),
    buttons(card, (key, button) => onPress(key, button, chosen)),
    card.card_action?.type === OPENS_PAGE ? outward(card.card_action.url, "card-link", "查看详情 ›") : null,
  );
  return { node, copy: card.sub_title_text || title, wide: true };
}

function paragraph({ title, desc }) {
  return el("p", { class: "card-text" }, [title, desc].filter(Boolean).join("\n"));
}

function fieldList(fields) {
  return el("dl", { class: "card-fields" }, ...fields.flatMap(({ keyname, value }) => [el("dt", {}, keyname), el("dd", {}, value ?? "")]));
}

function choices(card, chosen) {
  const box = card.checkbox ? [options(card.checkbox, chosen)] : [];
  return [...box, ...(card.select_list ?? []).map((list) => selector(list, chosen))];
}

// One question with its options: circles for one answer, squares for several.
function options({ question_key: question, mode, option_list: list }, chosen) {
  chosen[question] = list.filter((option) => option.is_checked).map((option) => option.id);
  const node = el("fieldset", { class: "card-choice" });
  const group = `${question}-${crypto.randomUUID()}`;
  const inputs = list.map(({ id, is_checked: checked }) => el("input", { type: mode ? "checkbox" : "radio", name: group, value: id, checked: Boolean(checked) }));
  node.append(...list.map(({ text }, at) => el("label", {}, inputs[at], text)));
  node.addEventListener("change", () => (chosen[question] = inputs.filter((input) => input.checked).map((input) => input.value)));
  return node;
}

function selector({ question_key: question, title, selected_id: selected, option_list: list }, chosen) {
  const select = el("select", {}, ...list.map(({ id, text }) => el("option", { value: id, selected: id === selected }, text)));
  const note = () => (chosen[question] = [select.value]);
  note();
  select.addEventListener("change", note);
  return el("label", { class: "card-choice" }, title ?? "", select);
}

// `replace_text` turns the buttons into one grey one that cannot be pressed (WeCom doc 94888).
function buttons(card, onPress) {
  if (card.replace_text) {
    return el("div", { class: "card-buttons" }, el("button", { type: "button", class: "press quiet", disabled: true }, card.replace_text));
  }
  const list = [...(card.button_list ?? []), ...(card.submit_button ? [card.submit_button] : [])];
  if (!list.length) return null;
  return el(
    "div",
    { class: "card-buttons" },
    ...list.map(({ text, style = PRIMARY, key }) =>
      el("button", { type: "button", class: `press ${STYLES[style] ?? "primary"}`, onclick: (event) => onPress(key, event.currentTarget) }, text),
    ),
  );
}
