// Draws what the pretend WeCom put on a phone: text, Markdown, pictures, files, news and template cards.

import { el } from "./dom.js";
import { WECOM, markdown, plainText } from "./markdown.js";
import { drawCard } from "./wecom_card.js";
import { outward, picture } from "./wecom_parts.js";

const FILES = "/sandbox/wecom/files/";
const KILOBYTE = 1024;

export const wecom = {
  key: "wecom",
  name: "企业微信",

  draw(payload, onPress) {
    const drawer = DRAWERS[payload.msgtype];
    return drawer ? drawer(payload[payload.msgtype], onPress) : { node: el("div", { class: "plain" }, `〔${payload.msgtype}〕`), copy: "" };
  },
};

const DRAWERS = {
  text: ({ content }) => ({ node: el("div", { class: "plain" }, content), copy: content }),
  markdown: ({ content }) => ({ node: markdown(content, WECOM), copy: plainText(content) }),
  image: ({ media_id: id, name }) => ({ node: el("img", { class: "picture", src: FILES + encodeURIComponent(id), alt: `图片 ${name ?? ""}` }), copy: "", wide: true }),
  file: drawFile,
  news: drawNews,
  template_card: drawCard,
};

function drawFile({ media_id: id, name, size }) {
  const small = `${Math.max(1, Math.round((size ?? 0) / KILOBYTE))} KB`;
  const node = el("a", { class: "file", href: FILES + encodeURIComponent(id), download: name ?? "file" }, el("strong", {}, name ?? "文件"), el("span", {}, small));
  return { node, copy: "" };
}

function drawNews({ articles }) {
  const node = el(
    "div",
    { class: "card" },
    ...articles.map(({ title, description, url, picurl }) =>
      el("div", { class: "article" }, picurl ? picture(picurl) : null, outward(url, "card-title", title), description ? el("p", { class: "card-small" }, description) : null),
    ),
  );
  return { node, copy: articles.map(({ title, url }) => `${title} ${url}`).join("\n"), wide: true };
}
