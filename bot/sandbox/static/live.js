// Hears which phone changed. The connection is given up while the tab is hidden: a browser allows six to one
// server, and a forgotten tab must not use one up.

const SILENCE_MS = 25000;
const AGAIN_MS = 2000;

export class Live {
  constructor({ onChanged, onUp, onDown }) {
    this.handlers = { onChanged, onUp, onDown };
    this.source = null;
    this.watchdog = null;
    this.retry = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()));
    if (!document.hidden) this.start();
  }

  start() {
    this.stop();
    const source = new EventSource("/sandbox/api/events");
    this.source = source;
    source.addEventListener("open", () => {
      this.heard();
      this.handlers.onUp();
    });
    source.addEventListener("beat", () => this.heard());
    source.addEventListener("changed", (event) => {
      this.heard();
      const { platform, user } = JSON.parse(event.data);
      this.handlers.onChanged(platform, user);
    });
    source.addEventListener("error", () => this.lost());
    this.heard();
  }

  stop() {
    clearTimeout(this.watchdog);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
  }

  heard() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lost(), SILENCE_MS);
  }

  lost() {
    this.stop();
    this.handlers.onDown();
    this.retry = setTimeout(() => this.start(), AGAIN_MS);
  }
}
