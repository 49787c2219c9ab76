// One phone: its chat, its suggestions, its keyboard.

import { get, post } from "./api.js";
import { copyText } from "./clipboard.js";
import { el } from "./dom.js";

const BUSY_MS = 8000;
const PATIENCE_MS = 20000;
const BANNER_MS = 4000;
const ANSWERING_MS = 10000;
const TIME_GAP_S = 300;
const NEAR_BOTTOM_PX = 24;
const LITTLE_MORE_PX = 120;
const MARGIN_PX = 14;

export class Phone {
  constructor(platform, template, page) {
    this.platform = platform;
    this.page = page;
    this.user = "";
    this.drawn = new Map();
    this.waiting = null;
    this.askedAt = 0;
    this.node = template.content.firstElementChild.cloneNode(true);
    this.setUp();
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  setUp() {
    const { key, name } = this.platform;
    this.node.id = `phone-${key}`;
    this.node.classList.add(`phone-${key}`);
    this.node.setAttribute("aria-label", `${name}手机`);
    this.find(".bar-app").textContent = name;
    this.chat = this.find(".chat");
    this.chat.setAttribute("aria-label", `${name}聊天记录`);
    this.input = this.find("textarea");
    this.input.setAttribute("aria-label", `在${name}里打字`);
    this.find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.sendTyped();
    });
    this.input.addEventListener("keydown", (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.sendTyped();
    });
    this.input.addEventListener("input", () => this.fitInput());
    this.find(".newest").addEventListener("click", () => this.toBottom("smooth"));
    this.find(".more").addEventListener("click", () => this.unfold(!this.unfolded));
    this.chat.addEventListener("scroll", () => this.markRest());
  }

  async become(persona) {
    this.user = persona.users[this.platform.key];
    this.name = persona.name;
    this.find(".bar-who").textContent = `${persona.name} · ${persona.role_name}`;
    this.find(".chips").replaceChildren(...persona.suggestions.map((text) => this.chip(text)));
    this.drawn.clear();
    this.loaded = false;
    this.stopWaiting();
    this.chat.replaceChildren();
    await this.refresh();
    this.unfold(this.drawn.size === 0);
  }

  // All suggestions for a newcomer, one line of them once there is a chat to read.
  unfold(unfolded) {
    this.unfolded = unfolded;
    this.find(".hints").classList.toggle("folded", !unfolded);
    const more = this.find(".more");
    more.textContent = unfolded ? "收起" : "更多";
    more.setAttribute("aria-expanded", String(unfolded));
    this.toBottom();
  }

  chip(text) {
    return el("button", { type: "button", class: "chip", onclick: () => this.send(text) }, text);
  }

  // Called for every change: one reading at a time, and one more when something changed meanwhile.
  async refresh() {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    try {
      do {
        this.again = false;
        const user = this.user;
        const screen = await get("screen", { platform: this.platform.key, user });
        if (user === this.user) this.show(screen.messages);
        else this.again = true;
      } while (this.again);
    } catch (error) {
      this.page.failed(error);
    } finally {
      this.reading = false;
    }
  }

  show(messages) {
    const first = !this.loaded;
    this.loaded = true;
    const news = this.draw(messages);
    this.chat.querySelector(".welcome")?.remove();
    if (!messages.length) this.chat.append(this.welcome());
    if (first) {
      this.toBottom();
      return;
    }
    const arrived = news.filter((message) => message.direction === "in");
    if (arrived.length) this.arrived(arrived);
    if (news.some(isNew)) this.follow(news.find(isNew));
  }

  // Draws what is new or changed, in order, and returns it.
  draw(messages) {
    const news = [];
    let before = 0;
    for (const message of messages) {
      const known = this.drawn.get(message.id);
      if (known?.updated !== message.updated_at) {
        const node = this.bubble(message, message.shown_at - before > TIME_GAP_S);
        if (known) {
          node.classList.add("changed");
          known.node.replaceWith(node);
        } else this.chat.append(node);
        this.drawn.set(message.id, { updated: message.updated_at, node });
        news.push(message);
      }
      before = message.shown_at;
    }
    this.forget(new Set(messages.map((message) => message.id)));
    if (this.dots) this.chat.append(this.dots);
    return news;
  }

  forget(kept) {
    for (const [id, { node }] of this.drawn) {
      if (kept.has(id)) continue;
      node.remove();
      this.drawn.delete(id);
    }
  }

  arrived(news) {
    this.stopWaiting();
    if (this.unfolded) this.unfold(false);
    for (const button of this.chat.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
    // What comes long after the last question or press was pushed.
    if (Date.now() - this.askedAt > ANSWERING_MS && news.some(isNew)) this.announce();
  }

  announce() {
    const banner = this.find(".arrived");
    banner.hidden = false;
    clearTimeout(this.banner);
    this.banner = setTimeout(() => (banner.hidden = true), BANNER_MS);
  }

  welcome() {
    return el("div", { class: "welcome" }, el("p", {}, "我是导购助手。"), el("p", {}, "点下面的一句话，或者自己打字，都可以。"));
  }

  bubble(message, withTime) {
    const mine = message.direction === "out";
    const drawn = this.platform.draw(message.payload, (key, button, chosen) => this.press(message.id, key, button, chosen));
    const balloon = el("div", { class: drawn.wide ? "balloon wide" : "balloon" }, drawn.node);
    const body = el("div", { class: drawn.wide ? "body" : "body slim" }, balloon, mine || !drawn.copy ? null : this.copyButton(drawn.copy));
    return el(
      "div",
      {
        class: mine ? "message mine" : "message",
        role: "article",
        "aria-label": mine ? "我说的" : "导购助手说的",
        dataset: { seq: message.seq },
        onclick: () => this.page.looksAt(this, message.seq),
      },
      withTime ? el("time", { class: "time" }, clock(message.shown_at)) : null,
      el("span", { class: "avatar", "aria-hidden": "true" }, mine ? this.name.slice(0, 1) : "导"),
      body,
    );
  }

  copyButton(text) {
    return el("button", { type: "button", class: "copy", onclick: (event) => this.copy(event, text) }, "复制");
  }

  async copy(event, text) {
    event.stopPropagation();
    this.page.say((await copyText(text)) ? "已复制，去聊天里粘贴就行" : "没能复制，请长按文字自己复制");
  }

  sendTyped() {
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.fitInput();
    this.send(text).then((sent) => {
      if (!sent && !this.input.value) this.input.value = text;
    });
  }

  async send(text) {
    this.askedAt = Date.now();
    this.unfold(false);
    this.startWaiting();
    try {
      await post("say", { platform: this.platform.key, user: this.user, text });
      return true;
    } catch (error) {
      this.stopWaiting();
      this.page.failed(error);
      return false;
    }
  }

  // A pressed button stays pressable, as on a real phone: pressing twice must do no harm on our side.
  async press(messageId, key, button, chosen) {
    button.setAttribute("aria-busy", "true");
    this.askedAt = Date.now();
    setTimeout(() => button.removeAttribute("aria-busy"), BUSY_MS);
    try {
      await post("press", { platform: this.platform.key, user: this.user, message_id: messageId, button: key, chosen });
    } catch (error) {
      button.removeAttribute("aria-busy");
      this.page.failed(error);
    }
  }

  startWaiting() {
    clearTimeout(this.waiting);
    this.dots ??= el("div", { class: "message" }, el("span", { class: "avatar", "aria-hidden": "true" }, "导"), typing());
    this.chat.append(this.dots);
    this.toBottom();
    this.waiting = setTimeout(() => {
      this.stopWaiting();
      this.page.say("还没有回答，可能要多等一会儿");
    }, PATIENCE_MS);
  }

  stopWaiting() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.dots?.remove();
    this.dots = null;
  }

  fitInput() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight + 2}px`;
  }

  // Scrolls to what is new, but never past the question it answers: a long answer is read from its beginning.
  follow(message) {
    const question = [...this.chat.querySelectorAll(".mine")].at(-1);
    const fresh = this.drawn.get(message.id).node;
    const answers = question && Date.now() - this.askedAt < ANSWERING_MS;
    const top = (answers ? question : fresh).offsetTop - this.chat.offsetTop - MARGIN_PX;
    const bottom = this.chat.scrollHeight - this.chat.clientHeight;
    this.chat.scrollTop = bottom - top < LITTLE_MORE_PX ? bottom : top;
    this.markRest();
  }

  toBottom(behavior = "instant") {
    this.chat.scrollTo({ top: this.chat.scrollHeight, behavior });
    this.markRest();
  }

  // Says so when something stands below the edge.
  markRest() {
    const below = this.chat.scrollHeight - this.chat.scrollTop - this.chat.clientHeight;
    this.find(".newest").hidden = below < NEAR_BOTTOM_PX;
  }
}

function isNew(message) {
  return message.updated_at === message.shown_at;
}

function typing() {
  return el("div", { class: "balloon typing", "aria-label": "正在回答" }, el("i"), el("i"), el("i"));
}

function clock(seconds) {
  const at = new Date(seconds * 1000);
  const time = `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
  return at.toDateString() === new Date().toDateString() ? time : `${at.getMonth() + 1}月${at.getDate()}日 ${time}`;
}
