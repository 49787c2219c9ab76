// Shows what travelled for one exchange: callback or frame, Update, Reply, platform payload.

import { get } from "./api.js";
import { el } from "./dom.js";

const LONG = 700;
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?/g;

const WIRE = {
  wecom: ["加密回调", "企业微信把这句话加密、签名，送到我们的服务器。"],
  dingtalk: ["Stream 帧", "钉钉从长连接推来一帧，我们收下后马上应答。"],
};
const NO_WIRE = "这一步没有经过手机，或者发生在上次启动之前。";

export class Drawer {
  constructor({ onFail }) {
    this.onFail = onFail;
    this.node = document.getElementById("drawer");
    this.panes = document.getElementById("drawer-panes");
    this.phone = null;
    this.seq = null;
  }

  get open() {
    return !this.node.hidden;
  }

  show(phone, seq = null) {
    this.node.hidden = false;
    this.phone = phone;
    this.seq = seq;
    for (const button of this.node.querySelectorAll("[data-follow]")) {
      button.setAttribute("aria-checked", String(button.dataset.follow === phone.platform.key));
    }
    return this.refresh();
  }

  hide() {
    this.node.hidden = true;
  }

  changed(phone) {
    if (this.open && phone === this.phone && this.seq === null) this.refresh();
  }

  async refresh() {
    const { phone, seq } = this;
    const query = { platform: phone.platform.key, user: phone.user, ...(seq === null ? {} : { seq }) };
    try {
      const { trace } = await get("trace", query);
      if (phone === this.phone && seq === this.seq) this.draw(trace);
    } catch (error) {
      this.onFail(error);
    }
  }

  draw(trace) {
    document.getElementById("drawer-what").textContent = trace ? trace.what : "还没有消息，先在手机上说一句话。";
    if (!trace) return this.panes.replaceChildren();
    const [title, words] = WIRE[this.phone.platform.key];
    return this.panes.replaceChildren(
      pane(1, title, words, ...wire(trace.wire)),
      pane(2, "Update", "验过签、解开以后的统一消息，先存好再应答。", trace.update ? code(trace.update) : none("这是机器人主动发的，没有来信。")),
      pane(3, "Reply", "想好的回答，和平台无关。", trace.reply.length ? code(trace.reply) : none("还没有回答。")),
      pane(4, "平台报文", "画成这个平台的样子，由平台送到手机。", ...trace.payloads.map(sent)),
    );
  }
}

function wire(travelled) {
  if (!travelled) return [none(NO_WIRE)];
  if (travelled.frame) return [code(travelled.frame), small("我们的应答"), code(travelled.ack)];
  const { decrypted, ...outer } = travelled;
  return [code(outer), small("解开以后"), el("pre", {}, decrypted.replace(/(<\/\w+>|^<xml>)(?=<)/g, "$1\n"))];
}

function sent({ kind, status, error, payloads }) {
  return el("div", {}, small(`${kind} · ${status}${error ? ` · ${error}` : ""}`), payloads ? code(payloads) : none("还没有送出。"));
}

function pane(number, title, words, ...content) {
  const summary = el("summary", {}, el("span", { class: "step", "aria-hidden": "true" }, String(number)), el("span", {}, title));
  return el("details", { class: "pane", open: true }, summary, el("p", { class: "pane-words" }, words), ...content);
}

function small(text) {
  return el("p", { class: "pane-small" }, text);
}

function none(text) {
  return el("p", { class: "pane-none" }, text);
}

function code(value) {
  const text = JSON.stringify(value, (_, inner) => (typeof inner === "string" && inner.length > LONG ? `${inner.slice(0, LONG)}…（共 ${inner.length} 字）` : inner), 2);
  return el("pre", { tabIndex: 0 }, ...coloured(text));
}

function coloured(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    nodes.push(text.slice(last, match.index));
    const [whole, string, colon] = match;
    if (colon) nodes.push(el("span", { class: "json-key" }, string), colon);
    else nodes.push(el("span", { class: string ? "json-text" : "json-value" }, whole));
    last = match.index + whole.length;
  }
  return [...nodes, text.slice(last)].filter(Boolean);
}
