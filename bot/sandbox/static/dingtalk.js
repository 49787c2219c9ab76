// Draws what the pretend DingTalk put on a phone: text, Markdown, pictures, files, links and template cards.

import { el } from "./dom.js";
import { DINGTALK, markdown, plainText } from "./markdown.js";

const KILOBYTE = 1024;
const WRITING = "2";

export const dingtalk = {
  key: "dingtalk",
  name: "钉钉",

  draw(payload, onPress) {
    const drawer = DRAWERS[payload.msgtype];
    return drawer ? drawer(payload, onPress) : { node: el("div", { class: "plain" }, `〔${payload.msgtype}〕`), copy: "" };
  },
};

const DRAWERS = {
  text: ({ text }) => ({ node: el("div", { class: "plain" }, text), copy: text }),
  markdown: ({ text }) => ({ node: drawText(text), copy: plainText(text) }),
  image: ({ picture }) => ({ node: drawPicture(picture), copy: "", wide: true }),
  file: drawFile,
  links: drawLinks,
  card: ({ cardParamMap }, onPress) => drawCard(cardParamMap ?? {}, onPress),
};

// A picture in a text is somebody else's, and only named here.
function drawText(text) {
  return markdown(text.replace(/!\[[^\]]*\]\((https?:\/\/[^\s()]+)\)/g, "[〔图片〕]($1)"), DINGTALK);
}

// A picture travels in its own address; those of other sites are not fetched: the page talks to this machine alone.
function drawPicture(picture) {
  if (/^data:image\//.test(picture ?? "")) return el("img", { class: "picture", src: picture, alt: "图片" });
  return el("div", { class: "card-picture" }, "〔图片〕");
}

function drawFile({ name, size }) {
  const small = `${Math.max(1, Math.round((size ?? 0) / KILOBYTE))} KB`;
  return { node: el("div", { class: "file" }, el("strong", {}, name ?? "文件"), el("span", {}, small)), copy: "" };
}

function drawLinks({ links }) {
  const node = el(
    "div",
    { class: "card" },
    ...links.map(({ title, text, url }) =>
      el("div", { class: "article" }, outward(url, "card-title", title), text ? el("p", { class: "card-small" }, text) : null),
    ),
  );
  return { node, copy: links.map(({ title, url }) => `${title} ${url}`).join("\n"), wide: true };
}

// A page opens in a tab of its own, and only a page does.
function outward(url, look, text) {
  const safe = /^https?:/.test(url ?? "");
  return safe ? el("a", { class: look, href: url, target: "_blank", rel: "noopener noreferrer" }, text) : el("span", { class: look }, text);
}

// The template's list variables travel as one JSON string, `sys_full_json_obj`; an AI card has its text in `msgContent`.
function drawCard(params, onPress) {
  if (params.msgContent !== undefined) return drawWritten(params);
  const buttons = parse(params.sys_full_json_obj).msgButtons ?? [];
  const node = el(
    "div",
    { class: "card" },
    params.title ? el("h3", { class: "card-title" }, params.title) : null,
    params.markdown ? drawText(params.markdown) : null,
    params.tips ? el("p", { class: "card-small" }, params.tips) : null,
    buttons.length ? el("div", { class: "card-buttons" }, ...buttons.map((button) => drawButton(button, onPress))) : null,
  );
  return { node, copy: plainText(withoutFields(params.markdown ?? params.title ?? "")), wide: true };
}

function drawWritten({ msgContent, flowStatus }) {
  const text = msgContent.replaceAll("<br>", "  \n");
  const node = el(
    "div",
    { class: "card" },
    text ? drawText(text) : null,
    !text || flowStatus === WRITING ? el("p", { class: "card-small" }, text ? "正在写…" : "处理中…") : null,
  );
  return { node, copy: plainText(text), wide: true };
}

// Who copies a card wants the draft, not the "**name**：value" lines that stand before it.
function withoutFields(text) {
  const [head, ...rest] = text.split(/\n{2,}/);
  const onlyFields = head.split("\n").every((line) => /^\*\*[^*]+\*\*：/.test(line));
  return onlyFields && rest.length ? rest.join("\n\n") : text;
}

function drawButton({ text, color, id, url }, onPress) {
  const look = `press ${color === "blue" ? "primary" : "quiet"}`;
  if (url) return outward(url, look, text);
  return el("button", { type: "button", class: look, onclick: (event) => onPress(id, event.currentTarget) }, text);
}

function parse(text) {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return {};
  }
}
