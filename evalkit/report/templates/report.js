
"use strict";
(() => {
  const PAGE = 300;
  const DIFF_CELLS = 4e6;
  const WORDS = { regressed: "regressed", error: "error", fixed: "fixed", both_fail: "both fail", changed: "text changed", same: "same" };
  const list = document.querySelector(".list");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  // ---- building an item: text only, never markup --------------------------------------------------------------
  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  }

  function textPart(part, title, body, missing) {
    const section = make("section", "text", make("h4", "", title), body === null ? make("p", "none", missing) : make("pre", "", body));
    section.dataset.part = part;
    return section;
  }

  function pairs(className, entries) {
    return make("dl", className, ...entries.map(([name, ...values]) => make("div", "", make("dt", "", name), make("dd", "", ...values))));
  }

  function build(item) {
    const chips = item.chips.map((chip) => make("span", "chip " + chip.move, `${chip.name} ${chip.baseline ? chip.baseline + " → " : ""}${chip.candidate}`));
    const summary = make("summary", "", make("span", "badge " + item.change, WORDS[item.change]), make("span", "id", item.key), make("span", "chips", ...chips), make("span", "seen", item.facts.join(" · ")));
    const reasons = item.chips.filter((chip) => chip.reason || chip.reason_before).map((chip) => [
      chip.name,
      chip.reason_before ? make("span", "", "before: " + chip.reason_before) : null,
      chip.reason ? make("span", "", chip.reason) : null,
    ].filter((value) => value !== null));
    const link = make("a", "", "link to this item");
    link.href = item.link;
    const body = make("div", "body",
      item.failed ? make("p", "failed", "no answer: " + item.failed) : null,
      item.failed_before ? make("p", "failed", "no answer in the baseline: " + item.failed_before) : null,
      make("div", "texts", textPart("baseline", "Baseline", item.baseline, "not stored"), textPart("candidate", "Candidate", item.candidate, ""), textPart("expected", "Expected", item.expected, "nothing given")),
      pairs("reasons", reasons),
      pairs("inputs", item.inputs.map(([name, value]) => [name, make("pre", "", value)])),
      make("p", "foot", ...item.tags.map((tag) => make("span", "tag", tag)), make("code", "", item.command), " ", link));
    const node = make("details", "item", summary, body);
    node.id = "item=" + item.key;
    return node;
  }

  // ---- word differences ----------------------------------------------------------------------------------------
  const words = (text) => text.match(/[\p{L}\p{N}_]+|\s+|[^\p{L}\p{N}_\s]/gu) || [];

  function changes(before, after) {
    let start = 0, endA = before.length, endB = after.length;
    while (start < endA && start < endB && before[start] === after[start]) start++;
    while (endA > start && endB > start && before[endA - 1] === after[endB - 1]) { endA--; endB--; }
    const a = before.slice(start, endA), b = after.slice(start, endB);
    const keptA = new Uint8Array(a.length), keptB = new Uint8Array(b.length);
    if (a.length * b.length <= DIFF_CELLS) longest(a, b, keptA, keptB);
    const whole = (n, middle, m) => [...Array(n).fill(1), ...middle, ...Array(m).fill(1)];
    return [whole(start, keptA, before.length - endA), whole(start, keptB, after.length - endB)];
  }

  function longest(a, b, keptA, keptB) {
    const width = b.length + 1, table = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      if (a[i] === b[j]) { keptA[i++] = 1; keptB[j++] = 1; }
      else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i++;
      else j++;
    }
  }

  function paint(pre, tokens, kept, tag) {
    pre.replaceChildren();
    for (let i = 0; i < tokens.length;) {
      let j = i, text = "";
      while (j < tokens.length && kept[j] === kept[i]) text += tokens[j++];
      pre.append(kept[i] ? text : make(tag, "", text));
      i = j;
    }
  }

  function compare(holder, against) {
    const part = (name) => holder.querySelector(`[data-part=${name}] pre`);
    for (const name of ["baseline", "candidate", "expected"]) {
      const pre = part(name);
      if (pre && pre.querySelector("ins, del")) pre.textContent = pre.textContent;
    }
    const before = against && part(against), after = part("candidate");
    if (!before || !after || !after.textContent) return;
    const a = words(before.textContent), b = words(after.textContent);
    const [keptA, keptB] = changes(a, b);
    paint(before, a, keptA, "del");
    paint(after, b, keptB, "ins");
  }

  const prompts = document.querySelector(".prompts");
  if (prompts) prompts.addEventListener("toggle", () => prompts.open && compare(prompts, "baseline"), { once: true });
  if (!list) return;

  // ---- the list ------------------------------------------------------------------------------------------------
  const form = document.querySelector(".tools"), output = form.querySelector("output"), button = document.querySelector(".show-more");
  const nodes = [...list.children];
  const rows = read("index").map((light, at) => ({ ...light, at, node: nodes[at] }));
  let shown = [], limit = PAGE;

  const textOf = (row) => (row.text ??= (row.node ? row.node.textContent : JSON.stringify([row.data.key, row.data.candidate, row.data.baseline, row.data.expected, row.data.inputs, row.data.tags, row.data.chips])).toLowerCase());
  const nodeOf = (row) => (row.node ??= build(row.data));
  const ORDERS = {
    worst: (a, b) => a.at - b.at,
    id: (a, b) => a.key.localeCompare(b.key, undefined, { numeric: true }),
    latency: (a, b) => (b.latency ?? -1) - (a.latency ?? -1) || a.at - b.at,
    cost: (a, b) => (b.cost ?? -1) - (a.cost ?? -1) || a.at - b.at,
  };
  const chosen = (name) => (form.elements[name] ? form.elements[name].value : "");

  function fits(row) {
    const change = chosen("change"), metric = chosen("metric"), tag = chosen("tag"), search = chosen("search").trim().toLowerCase();
    return (!change || row.change === change) && (!metric || row.worse.includes(metric)) && (!tag || row.tags.includes(tag)) && (!search || textOf(row).includes(search));
  }

  function show() {
    shown = rows.filter(fits).sort(ORDERS[chosen("sort")] || ORDERS.worst);
    list.replaceChildren(...shown.slice(0, limit).map(nodeOf));
    output.textContent = shown.length === rows.length ? `${rows.length} items` : `${shown.length} of ${rows.length} items`;
    button.hidden = shown.length <= limit;
  }

  function open(row, { jump = true } = {}) {
    const at = shown.indexOf(row);
    if (at < 0) { form.reset(); limit = Math.max(limit, rows.indexOf(row) + 1); show(); }
    else if (at >= limit) { limit = at + 1; show(); }
    const node = nodeOf(row);
    node.open = true;
    compare(node, chosen("diff"));
    if (jump) { node.firstElementChild.focus({ preventScroll: true }); node.scrollIntoView({ block: "start" }); }
  }

  function follow() {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { /* a lone percent sign is a name too */ }
    const row = name.startsWith("item=") && rows.find((candidate) => "item=" + candidate.key === name);
    if (row) open(row);
  }

  function step(by) {
    const visible = shown.slice(0, limit);
    const here = visible.findIndex((row) => row.node && row.node.contains(document.activeElement));
    const next = visible[Math.min(Math.max(here + by, 0), visible.length - 1)];
    if (!next) return;
    if (here >= 0 && visible[here] !== next) visible[here].node.open = false;
    open(next);
    history.replaceState(null, "", "#item=" + encodeURIComponent(next.key));
  }

  form.addEventListener("input", () => { limit = PAGE; show(); });
  form.addEventListener("change", (event) => {
    if (event.target.name === "diff") list.querySelectorAll("details[open]").forEach((node) => compare(node, chosen("diff")));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", () => { limit += PAGE; show(); });
  list.addEventListener("toggle", (event) => { if (event.target.open) compare(event.target, chosen("diff")); }, true);
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input[type=search], select, textarea");
    if (event.key === "Escape" && typing) typing.blur();
    if (typing) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") { event.preventDefault(); form.elements.search.focus(); }
  });

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    for (const data of JSON.parse(await new Response(stream).text())) {
      rows.push({ ...data, at: rows.length, node: null, data, worse: data.chips.filter((chip) => chip.move === "worse").map((chip) => chip.name) });
    }
    document.querySelector(".rest")?.remove();
  }

  form.hidden = false;
  document.querySelector(".counts").hidden = true;
  form.reset();
  const packed = read("more");
  show();
  follow();
  if (packed) unpack(packed).then(() => { show(); follow(); });
})();
