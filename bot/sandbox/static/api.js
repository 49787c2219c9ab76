// Talks to the server. Every failure becomes an Error whose message can be shown to a person.

export const OFFLINE = "连不上导购服务，请稍等";

export class Offline extends Error {
  constructor() {
    super(OFFLINE);
  }
}

export function get(path, query = {}) {
  const search = new URLSearchParams(query).toString();
  return call(search ? `${path}?${search}` : path, { cache: "no-store" });
}

export function post(path, body) {
  return call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(`/sandbox/api/${path}`, options);
  } catch {
    throw new Offline();
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || `出错了（${response.status}），请稍后再试`);
  return answer;
}
