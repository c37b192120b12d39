// The list of commands, the search, and the box for a line of redis-cli.

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const code = (text) => element("code", {}, text);

// Text with `code` in it.
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? code(part) : part));
}

function sinceText(since) {
  if (!since) return null;
  const { redis, valkey } = since;
  if (redis && redis === valkey) return `since ${redis}`;
  return [redis && `Redis ${redis}`, valkey && `Valkey ${valkey}`].filter(Boolean).join(", ") + (redis && valkey ? "" : " only");
}

function params(body) {
  return body.flatMap((run) => run.writes).filter((write) => write.param).map((write) => write.param);
}

const signature = (method, body) => `${method}(${params(body).map((param) => param.name).join(", ")})`;

function repliesTable(row) {
  if (!row.replies.length) return null;
  const rows = row.replies.map((rule) => {
    const terms = rule.when.map((term) => term.map((id) => row.options[id].label).join(" with ")).join(", ");
    return element("tr", {}, element("td", {}, terms), element("td", {}, code(rule.type)));
  });
  const rest = element("tr", {}, element("td", {}, "none of these"), element("td", {}, code(row.reply)));
  const head = element("tr", {}, element("th", {}, "with"), element("th", {}, "the reply is"));
  return element("table", {}, head, ...rows, rest);
}

function optionsTable(row) {
  if (!row.options.length) return null;
  const head = element("tr", {}, ...["option", "Rust", "what it does"].map((text) => element("th", {}, text)));
  const rows = row.options.map((option) => {
    const remarks = [option.doc, sinceText(option.since)];
    if (option.parent !== null) remarks.push(`after ${row.options[option.parent].label}`);
    const others = row.choices[option.choice].options.filter((id) => row.options[id] !== option);
    if (others.length) remarks.push(`excludes ${others.map((id) => row.options[id].label).join(", ")}`);
    if (row.choices[option.choice].required) remarks.push(others.length ? "one of them is required" : "required");
    if (option.takes_none) remarks.push("`None` leaves it out");
    if (option.deprecated) remarks.push(`deprecated: use ${option.deprecated}`);
    const text = remarks.filter(Boolean).map((remark) => remark.replace(/\.$/, "")).map((remark) => remark.slice(0, 1).toUpperCase() + remark.slice(1)).join(". ");
    return element("tr", {}, element("td", {}, code(option.syntax)), element("td", {}, code("." + signature(option.method, option.body))),
      element("td", {}, ...prose(text)));
  });
  return element("table", { class: "options" }, head, ...rows);
}

function clusterText(row) {
  const policies = { AllNodes: "sent to all nodes", AllShards: "sent to all primaries", MultiShard: "divided by slots", Special: "special" };
  if (row.request) return policies[row.request] ?? row.request;
  return row.keys ? "by the slot of its keys" : "to any node";
}

function facts(row) {
  const proven = PROVEN[row.method];
  const all = [
    ["servers", sinceText(row.since) ?? "all"],
    ["proven on", proven ? proven.join(", ") : null],
    ["handle", row.state ? "Exclusive" : row.blocking ? "Pool, Exclusive" : "any"],
    ["repeated after a lost connection", row.readonly || row.idempotent ? "yes" : "no"],
    ["in a cluster", clusterText(row)],
    ["client-side cache", row.cacheable ? "yes" : "no"],
    ["cost", row.complexity],
    ["in other clients", row.aliases.length ? row.aliases.map((name) => "`" + name + "`").join(", ") : null],
    ["deprecated", row.deprecated ? `use ${row.deprecated}` : null],
  ];
  const shown = all.filter(([, value]) => value);
  return element("dl", {}, ...shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, ...prose(value))]));
}

function detailsOf(row) {
  const reply = shownType(row, replyOf(row, () => false));
  const line = element("pre", {}, code(`let reply: ${reply} = ${row.example}.await?;`));
  return [element("p", {}, ...prose(row.doc)), element("pre", {}, code(row.syntax)), line, optionsTable(row), repliesTable(row), facts(row)];
}

function entryOf(row) {
  const title = element("summary", {}, element("strong", {}, row.name), " ", code(signature(row.method, row.body)),
    element("span", { class: "reply" }, row.reply.replaceAll("std::collections::", "")));
  const entry = element("details", { id: `${row.group}.${row.method}` }, title);
  // Most entries are never opened.
  entry.addEventListener("toggle", () => {
    if (entry.open && entry.childElementCount === 1) entry.append(...detailsOf(row).filter(Boolean));
  });
  return entry;
}

const texts = SPEC.commands.map((row) =>
  [row.name, row.method, ...row.aliases, row.group, row.doc, ...row.options.flatMap((option) => [option.label, option.method])].join(" ").toLowerCase());
const entries = SPEC.commands.map(entryOf);
const groups = [];
for (const [index, row] of SPEC.commands.entries()) {
  let group = groups.find((group) => group.name === row.group);
  if (!group) {
    group = { name: row.group, members: [], node: element("section", {}, element("h2", {}, row.group.replaceAll("_", " "))) };
    groups.push(group);
  }
  group.members.push(index);
  group.node.append(entries[index]);
}
document.getElementById("list").append(...groups.map((group) => group.node));

function search() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const group of groups) {
    let any = false;
    for (const index of group.members) {
      const fits = words.every((word) => texts[index].includes(word));
      entries[index].hidden = !fits;
      any ||= fits;
      count += fits ? 1 : 0;
    }
    group.node.hidden = !any;
  }
  const text = words.join(" ");
  const refused = SPEC.refused.filter((command) => text && command.name.toLowerCase().startsWith(text));
  const sentences = refused.map((command) => element("p", {}, ...prose(`${command.name} has no method: ${command.advice}`)));
  document.getElementById("refused").replaceChildren(...sentences);
  document.getElementById("count").textContent = count === 1 ? "1 command" : `${count} commands`;
}

function answer() {
  const line = document.getElementById("line").value;
  const output = document.getElementById("answer");
  output.replaceChildren();
  output.className = "";
  if (!line.trim()) return;
  const found = translate(SPEC, line);
  if (found.error) {
    output.className = "wrong";
    output.append(element("p", {}, ...prose(found.error)));
    return;
  }
  output.append(element("pre", {}, code(found.rust)), ...found.notes.map((note) => element("p", {}, ...prose(note))));
  if (!found.row) return;
  const link = element("a", { href: `#${found.row.group}.${found.row.method}` }, found.row.name);
  link.addEventListener("click", () => {
    document.getElementById("search").value = "";
    search();
    document.getElementById(`${found.row.group}.${found.row.method}`).open = true;
  });
  output.append(element("p", {}, "More: ", link));
}

document.getElementById("search").addEventListener("input", search);
document.getElementById("line").addEventListener("input", answer);
search();
answer();
