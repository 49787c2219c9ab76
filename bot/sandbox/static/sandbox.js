// The page: who you are, two phones, the two pushes, the drawer.

import { Offline, get, post } from "./api.js";
import { dingtalk } from "./dingtalk.js";
import { el } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Live } from "./live.js";
import { Phone } from "./phone.js";
import { wecom } from "./wecom.js";

const TOAST_MS = 4500;
const WEEKDAYS = "日一二三四五六";
const ROLE_KEY = "daogou-role";
const PHONE_KEY = "daogou-phone";

const byId = (id) => document.getElementById(id);

class Page {
  constructor() {
    const template = byId("phone-template");
    this.phones = [wecom, dingtalk].map((platform) => new Phone(platform, template, this));
    template.before(...this.phones.map((phone) => phone.node));
    this.drawer = new Drawer({ onFail: (error) => this.failed(error) });
    this.setUpTools();
    this.front(remembered(PHONE_KEY) ?? "wecom");
  }

  setUpTools() {
    for (const button of document.querySelectorAll("[data-push]")) {
      button.addEventListener("click", () => this.push(button));
    }
    for (const tab of byId("switch").children) tab.addEventListener("click", () => this.front(tab.dataset.phone));
    for (const button of document.querySelectorAll("[data-follow]")) {
      button.addEventListener("click", () => this.look(this.phone(button.dataset.follow)));
    }
    byId("look").addEventListener("click", () => (this.drawer.open ? this.lookAway() : this.look(this.frontPhone)));
    byId("drawer-close").addEventListener("click", () => this.lookAway());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.drawer.open) this.lookAway();
    });
  }

  phone(key) {
    return this.phones.find((phone) => phone.platform.key === key);
  }

  async start() {
    await this.loadPersonas();
    this.live = new Live({
      onChanged: (platform, user) => this.changed(platform, user),
      onUp: () => this.back(),
      onDown: () => (byId("offline").hidden = false),
    });
  }

  async loadPersonas() {
    const { chain, as_of: asOf, personas } = await get("personas");
    byId("note").textContent = asOf ? `演示数据，今天是 ${day(asOf)}` : `演示数据 · ${chain}`;
    this.personas = personas;
    byId("personas").replaceChildren(...personas.map((persona) => this.radio(persona)));
    const role = remembered(ROLE_KEY);
    await this.choose(personas.find((persona) => persona.role === role) ?? personas[0]);
  }

  radio(persona) {
    const where = el("span", { class: "store" }, ` · ${persona.store}`);
    const words = [el("b", {}, persona.role_name), el("span", {}, persona.name, where)];
    return el(
      "button",
      {
        type: "button",
        role: "radio",
        class: "persona",
        dataset: { role: persona.role },
        "aria-label": `${persona.role_name} ${persona.name}`,
        onclick: () => this.choose(persona),
        onkeydown: (event) => this.arrow(event, persona),
      },
      ...words,
    );
  }

  arrow(event, persona) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (this.personas.indexOf(persona) + step + this.personas.length) % this.personas.length;
    this.choose(this.personas[at]);
    byId("personas").children[at].focus();
  }

  async choose(persona) {
    if (!persona) return;
    this.persona = persona;
    remember(ROLE_KEY, persona.role);
    for (const radio of byId("personas").children) {
      const chosen = radio.dataset.role === persona.role;
      radio.setAttribute("aria-checked", String(chosen));
      radio.tabIndex = chosen ? 0 : -1;
    }
    await Promise.all(this.phones.map((phone) => phone.become(persona)));
    if (this.drawer.open) this.drawer.show(this.drawer.phone);
  }

  // On a narrow screen one phone is in front.
  front(key) {
    this.frontPhone = this.phone(key) ?? this.phones[0];
    remember(PHONE_KEY, this.frontPhone.platform.key);
    byId("stage").dataset.front = this.frontPhone.platform.key;
    for (const tab of byId("switch").children) {
      tab.setAttribute("aria-selected", String(tab.dataset.phone === this.frontPhone.platform.key));
      if (tab.dataset.phone === this.frontPhone.platform.key) tab.classList.remove("news");
    }
    this.frontPhone.toBottom();
  }

  changed(platform, user) {
    const phone = this.phone(platform);
    if (!phone || phone.user !== user) return;
    phone.refresh().then(() => this.drawer.changed(phone));
    if (phone !== this.frontPhone) byId("switch").querySelector(`[data-phone="${platform}"]`).classList.add("news");
  }

  async push(button) {
    button.setAttribute("aria-busy", "true");
    for (const phone of this.phones) phone.askedAt = 0;
    try {
      const { message } = await post("push", { kind: button.dataset.push, user: this.persona.users.wecom });
      this.say(message);
    } catch (error) {
      this.failed(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  look(phone, seq = null) {
    document.body.classList.add("looking");
    byId("look").setAttribute("aria-expanded", "true");
    this.drawer.show(phone, seq);
  }

  looksAt(phone, seq) {
    if (this.drawer.open) this.look(phone, seq);
  }

  lookAway() {
    document.body.classList.remove("looking");
    byId("look").setAttribute("aria-expanded", "false");
    this.drawer.hide();
    byId("look").focus();
  }

  back() {
    byId("offline").hidden = true;
    for (const phone of this.phones) phone.refresh();
  }

  // A call that failed while the event stream seems alive: connect anew, and that tells when the server is back.
  away() {
    byId("offline").hidden = false;
    this.live?.lost();
  }

  failed(error) {
    if (error instanceof Offline) this.away();
    else this.say(error.message);
  }

  say(text) {
    const toast = byId("toast");
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(this.toast);
    this.toast = setTimeout(() => (toast.hidden = true), TOAST_MS);
  }
}

function day(iso) {
  const [year, month, date] = iso.split("-").map(Number);
  return `${year}年${month}月${date}日 周${WEEKDAYS[new Date(year, month - 1, date).getDay()]}`;
}

// A browser may forbid the storage; the page works without it.
function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // nothing to do
  }
}

function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

async function open() {
  const page = new Page();
  for (;;) {
    try {
      await page.start();
      return;
    } catch (error) {
      page.failed(error);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

open();
