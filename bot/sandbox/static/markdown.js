// The Markdown that each platform draws, as DOM nodes. What a platform does not draw stays as its source text,
// so that a faulty message looks here as it would look on the phone.
//
//   WeCom     headings, bold, links, inline code, quotes, three font colours; a line break is a line break
//   DingTalk  headings, bold, italics, links, inline code, quotes, lists; a line break needs two spaces before it

import { el } from "./dom.js";

export const WECOM = { lists: false, softBreaks: false, fonts: true, italics: false };
export const DINGTALK = { lists: true, softBreaks: true, fonts: false, italics: true };

const HEADING = /^(#{1,6})\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;
const BULLET = /^\s*[-*+]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,3})[.)]\s+(.*)$/;
const RULE = /^\s*([-*_])(?:\s*\1){2,}\s*$/;

const BOLD = /\*\*(?<bold>[^\n]+?)\*\*/;
const LINK = /\[(?<label>[^\]\n]+)\]\((?<href>https?:\/\/[^\s()]+)\)/;
const CODE = /`(?<code>[^`\n]+)`/;
const FONT = /<font color="(?<color>info|comment|warning)">(?<font>[^\n]*?)<\/font>/;
const ITALIC = /\*(?<italic>[^\s*][^*\n]*)\*/;

export function markdown(source, dialect) {
  const root = el("div", { class: "md" });
  let lines = [];
  const flush = () => {
    if (lines.length) root.append(paragraph(lines, dialect));
    lines = [];
  };
  const all = source.replace(/\r\n/g, "\n").split("\n");
  for (let at = 0; at < all.length; at += 1) {
    const block = blockAt(all, at, dialect);
    if (block) {
      flush();
      root.append(block.node);
      at = block.last;
    } else if (all[at].trim()) lines.push(all[at]);
    else flush();
  }
  flush();
  return root;
}

function blockAt(all, at, dialect) {
  const heading = HEADING.exec(all[at]);
  if (heading) return { node: el(`h${Math.min(heading[1].length + 2, 6)}`, {}, ...inline(heading[2], dialect)), last: at };
  if (QUOTE.test(all[at])) return run(all, at, QUOTE, (found) => quote(found.map((m) => m[1]), dialect));
  if (!dialect.lists) return null;
  if (RULE.test(all[at])) return { node: el("hr"), last: at };
  if (BULLET.test(all[at])) return run(all, at, BULLET, (found) => list("ul", found.map((m) => m[1]), dialect));
  if (!NUMBER.test(all[at])) return null;
  return run(all, at, NUMBER, (found) => {
    const node = list("ol", found.map((m) => m[2]), dialect);
    node.start = Number(found[0][1]);
    return node;
  });
}

function run(all, at, pattern, make) {
  const found = [];
  let last = at;
  for (let match = pattern.exec(all[last]); match; match = last < all.length ? pattern.exec(all[last]) : null) {
    found.push(match);
    last += 1;
  }
  return { node: make(found), last: last - 1 };
}

function list(kind, items, dialect) {
  return el(kind, {}, ...items.map((item) => el("li", {}, ...inline(item, dialect))));
}

function quote(lines, dialect) {
  return el("blockquote", {}, paragraph(lines, dialect));
}

function paragraph(lines, dialect) {
  const node = el("p");
  lines.forEach((line, at) => {
    const hard = !dialect.softBreaks || /\s{2}$/.test(line);
    node.append(...inline(line.trimEnd(), dialect));
    if (at < lines.length - 1) node.append(hard ? el("br") : " ");
  });
  return node;
}

function inline(text, dialect) {
  const patterns = [BOLD, LINK, CODE, ...(dialect.fonts ? [FONT] : []), ...(dialect.italics ? [ITALIC] : [])];
  const nodes = [];
  let rest = text;
  while (rest) {
    const first = earliest(rest, patterns);
    if (!first) break;
    if (first.index) nodes.push(rest.slice(0, first.index));
    nodes.push(piece(first.groups, dialect));
    rest = rest.slice(first.index + first[0].length);
  }
  if (rest) nodes.push(rest);
  return nodes;
}

function earliest(text, patterns) {
  const found = patterns.map((pattern) => pattern.exec(text)).filter(Boolean);
  return found.reduce((best, match) => (!best || match.index < best.index ? match : best), null);
}

function piece(groups, dialect) {
  if (groups.bold !== undefined) return el("strong", {}, ...inline(groups.bold, dialect));
  if (groups.italic !== undefined) return el("em", {}, ...inline(groups.italic, dialect));
  if (groups.code !== undefined) return el("code", {}, groups.code);
  if (groups.font !== undefined) return el("span", { class: `font-${groups.color}` }, ...inline(groups.font, dialect));
  return el("a", { href: groups.href, target: "_blank", rel: "noopener noreferrer" }, groups.label);
}

// What a person copies: the words, without the marks.
export function plainText(source) {
  return source
    .replace(/\r\n/g, "\n")
    .replace(/^#{1,6}\s+/gm, "")
    .replace(/\*\*([^\n]+?)\*\*/g, "$1")
    .replace(/<font color="[a-z]+">([^\n]*?)<\/font>/g, "$1")
    .replace(/\[([^\]\n]+)\]\((https?:\/\/[^\s()]+)\)/g, "$1 $2")
    .replace(/[ \t]+$/gm, "")
    .trim();
}
