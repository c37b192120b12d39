// From a line of redis-cli to the call in Rust, as src/reference/translate.rs does it; a test compares the two.
"use strict";

const MOST = 20000;

class Wrong extends Error {}

function lineWords(line) {
  const words = [];
  const rest = [...line.trim()];
  let at = 0;
  while (at < rest.length) {
    const letter = rest[at++];
    if (/\s/.test(letter)) continue;
    let word = "";
    if (letter === '"' || letter === "'") {
      for (;;) {
        if (at >= rest.length) throw new Wrong(`a quotation has no end: ${letter}${word}`);
        const next = rest[at++];
        if (next === letter) break;
        if (next === "\\" && letter === '"') {
          const escaped = rest[at++];
          if (escaped !== undefined) word += { n: "\n", r: "\r", t: "\t" }[escaped] ?? escaped;
        } else word += next;
      }
    } else {
      word = letter;
      while (at < rest.length && !/\s/.test(rest[at])) word += rest[at++];
    }
    words.push(word);
  }
  if (words.length && words[0].endsWith(">")) words.shift();
  return words;
}

function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++)
      next.push(Math.min(row[j] + (to[j] === from[i] ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    row = next;
  }
  return row[to.length];
}

function near(word, names) {
  word = word.toUpperCase();
  let best = null;
  for (const name of names) {
    const far = distance(word, name);
    if (far <= 2 && (best === null || far < best[0])) best = [far, name];
  }
  return best ? `; did you mean ${best[1]}?` : "";
}

// ---- The program before a command, as people copy it from a shell.

const IGNORED = ["-3", "-e", "--raw", "--no-raw", "--csv", "--json", "--quoted-json", "--quoted-input", "--verbose", "--no-auth-warning"];
const VALUES = { "-h": "host", "-p": "port", "-n": "database", "-u": "url", "-s": "socket", "-a": "password", "--pass": "password", "--user": "user" };
const SWITCHES = { "--tls": "encrypted", "-c": "cluster" };

function programOf(words) {
  const prompt = words[0] === "$" || words[0] === "#" ? 1 : 0;
  const program = { words: 0, options: {} };
  const name = words[prompt];
  if (!/(^|\/)(redis|valkey)-cli$/.test(name ?? "")) return program;
  let at = prompt + 1;
  while (at < words.length && words[at].startsWith("-")) {
    const option = words[at++];
    if (IGNORED.includes(option)) continue;
    if (option in SWITCHES) program.options[SWITCHES[option]] = true;
    else if (!(option in VALUES))
      throw new Wrong(`${name}: nothing is known of the option \`${option}\`; leave out what is not part of the command`);
    else if (at >= words.length) throw new Wrong(`${name}: a value is missing after \`${option}\``);
    else program.options[VALUES[option]] = words[at++];
  }
  program.words = at;
  return program;
}

// Passwords are not repeated.
function urlOf(options) {
  if (options.url !== undefined) return options.url.replace(/^(.*?:\/\/[^:@]*):.*@/, "$1:PASSWORD@");
  const user = options.user ?? "";
  const login = options.password !== undefined ? `${user}:PASSWORD@` : user ? `${user}@` : "";
  if (options.socket !== undefined)
    return `unix://${login}${options.socket}${options.database === undefined ? "" : `?database=${options.database}`}`;
  let host = options.host ?? "localhost";
  if (host === "127.0.0.1") host = "localhost";
  if (host.includes(":")) host = `[${host}]`;
  const port = (options.port ?? "6379") === "6379" ? "" : `:${options.port}`;
  const database = (options.database ?? "0") === "0" ? "" : `/${options.database}`;
  return `${options.encrypted ? "rediss" : "redis"}://${login}${host}${port}${database}`;
}

function connecting(program, handle) {
  if (!Object.keys(program.options).length) return null;
  const called = handle === "exclusive" ? "exclusive" : program.options.cluster ? "cluster" : handle === "pool" ? "pool" : "connect";
  return `let ${handle} = typedis::${called}(${rustText(urlOf(program.options))}).await?;`;
}

// ---- SUBSCRIBE and its like, which have no rows but methods of the handles.

const READERS = { SUBSCRIBE: "Channel", PSUBSCRIBE: "PatternChannel", SSUBSCRIBE: "Channel" };

function channels(words) {
  const name = words[0].toUpperCase();
  if (!(name in READERS)) return null;
  const names = words.slice(1).map(rustText);
  if (!names.length) throw new Wrong(`${name} is not complete: expected a name of a channel`);
  const [method, reader] = [name.toLowerCase(), READERS[name]];
  const rust = names.length === 1
    ? `let mut channel = conn.${method}(${names[0]}).await?; // ${reader}`
    : `let mut channels = conn.${method}([${names.join(", ")}]).await?; // [${reader}; ${names.length}]`;
  const which = names.length === 1 ? "`channel`" : "each of them";
  const note = `To read from ${which}: \`get::<String>().await?\` waits for the next message, \`next().await\` also tells of lost connections. Dropping it unsubscribes.`;
  return { rust, notes: [note] };
}

const same = (a, b) => a !== undefined && a.toUpperCase() === b.toUpperCase();
const firstWord = (label) => label.split(" ")[0];

function rowsOf(spec, words) {
  const begins = (row) => row.name.split(" ").every((name, i) => same(words[i], name));
  const found = spec.commands.filter(begins);
  if (found.length) {
    const longest = Math.max(...found.map((row) => row.name.length));
    return found.filter((row) => row.name.length === longest);
  }
  const refused = spec.refused.find(begins);
  if (refused) throw new Wrong(`${refused.name} has no method: ${refused.advice}`);
  const first = words[0].toUpperCase();
  let inner = spec.commands.filter((row) => row.name.startsWith(first + " ")).map((row) => row.name.slice(first.length + 1));
  inner = inner.filter((name, i) => name !== inner[i - 1]);
  if (inner.length) throw new Wrong(`${first} needs one of these words next: ${inner.join(", ")}`);
  throw new Wrong(`there is no command ${first}${near(first, spec.commands.map((row) => row.name))}`);
}

// ---- Words as arguments in Rust.

const isInteger = (word) => {
  if (!/^-?\d+$/.test(word)) return false;
  const number = BigInt(word);
  return number >= -(2n ** 63n) && number < 2n ** 63n && number.toString() === word;
};
const isWord = (text) => /^[a-zA-Z]+$/.test(text);
const rustText = (word) =>
  '"' + [...word].map((c) => ({ '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c] ?? c).join("") + '"';
const camel = (word) => word.slice(0, 1).toUpperCase() + word.slice(1).toLowerCase();

function rustNumber(type, word) {
  if (!type.startsWith("f")) return isInteger(word) && (type.startsWith("i") || !word.startsWith("-")) ? word : null;
  const lower = word.toLowerCase();
  if (lower === "inf" || lower === "+inf") return "f64::INFINITY";
  if (lower === "-inf") return "f64::NEG_INFINITY";
  if (!/^-*\d+(\.\d+)?$/.test(word)) return null;
  return word.includes(".") ? word : word + ".0";
}

function needNumber(type, word, name) {
  const number = rustNumber(type, word);
  if (number === null) throw new Wrong(`a number for \`${name}\``);
  return number;
}

function argument(spec, param, words) {
  if (words.length === param.wire.length && words.every((word, i) => word === param.wire[i])) return { rust: param.rust };
  switch (param.kind) {
    case "key":
      return { rust: rustText(words[0]) };
    case "value":
      return { rust: isInteger(words[0]) ? words[0] : rustText(words[0]) };
    case "number":
      return { rust: needNumber(param.type, words[0], param.name) };
    case "enum": {
      const known = spec.enums.find((type) => type.name === param.type)?.words ?? [];
      const found = known.find((word) => same(words[0], word.word));
      if (!found) throw new Wrong(known.map((word) => word.word).join(" or "));
      return { rust: `${param.type}::${found.variant}` };
    }
    case "named":
      return named(param, words);
    case "records":
    case "columns":
      return { rust: records(param, words) };
    default:
      return { rust: `[${words.map(rustText).join(", ")}]` };
  }
}

function records(param, words) {
  const rows = [];
  if (param.kind === "columns") {
    const half = Math.floor(words.length / 2);
    for (let i = 0; i < half; i++) rows.push([words[i], words[half + i]]);
  } else for (let i = 0; i < words.length; i += param.width) rows.push(words.slice(i, i + param.width));
  const columns = param.rust.replace(/^(\[\()+/, "").split(")")[0].split(", ");
  const numbers = columns.map((column) => /^[\d-]/.test(column));
  const item = (word, column) => {
    if (!numbers[column]) return rustText(word);
    const float = rustNumber("f64", word);
    if (float === null) throw new Wrong(`a number in \`${param.name}\``);
    return isInteger(word) ? word : float;
  };
  return `[${rows.map((row) => `(${row.map(item).join(", ")})`).join(", ")}]`;
}

function named(param, words) {
  const type = param.type;
  const byHand = () => ({ rust: `${type}::…`, byHand: true });
  const first = param.wire[0];
  const beginsWithWord = param.wire.length > 1 && isWord(first) && first === first.toUpperCase();
  if (beginsWithWord && !isWord(words[0] ?? "")) throw new Wrong(`an option word of \`${type}\``);
  if (words.length !== 1 || param.wire.length !== 1) return byHand();
  const word = words[0];
  if (param.rust.startsWith(type + "::") && !param.rust.includes("(")) {
    if (isWord(word)) return { rust: `${type}::${camel(word)}` };
    throw new Wrong(`a word for \`${param.name}\``);
  }
  if (isInteger(word)) return { rust: word };
  if (type.includes("econds") || type.includes("Timeout")) {
    const float = rustNumber("f64", word);
    if (float !== null && type === "Timeout") return { rust: float };
    throw new Wrong(`a number for \`${param.name}\``);
  }
  if (type === "StreamId" && isWord(word)) throw new Wrong(`an id for \`${param.name}\``);
  if (type === "ScoreBound" || type === "RangeBound") {
    if (word === "-inf") return { rust: "f64::NEG_INFINITY" };
    if (word === "+inf" || word === "inf") return { rust: "f64::INFINITY" };
  }
  if (type === "ScoreBound") {
    if (word.startsWith("("))
      return { rust: `ScoreBound::exclusive(${needNumber("f64", word.replace(/^\(+/, ""), param.name)})` };
    return { rust: needNumber("f64", word, param.name) };
  }
  return { rust: rustText(word) };
}

// ---- The words of a line by the row of a command.

function itemsOf(row) {
  const all = [
    ...row.body.map((run) => [run.order, { run: run.writes }]),
    ...row.options.map((option, id) => [option.body[0]?.order ?? 0, { options: [id] }]),
  ].sort((a, b) => a[0] - b[0]);
  const items = [];
  for (const [, item] of all) {
    const last = items[items.length - 1];
    if (last?.options && item.options) last.options.push(...item.options);
    else items.push(item);
  }
  return items;
}

class Parser {
  constructor(spec, row, words) {
    Object.assign(this, { spec, row, words, furthest: 0, expected: [] });
  }

  expect(at, what) {
    if (at > this.furthest) [this.furthest, this.expected] = [at, []];
    if (at === this.furthest && !this.expected.includes(what)) this.expected.push(what);
  }

  read() {
    let readings = [{ at: this.row.name.split(" ").length, literals: 0, args: [], options: {}, byHand: [] }];
    for (const item of itemsOf(this.row)) {
      const next = [];
      for (const reading of readings) {
        next.push(...(item.run ? this.body(item.run, reading) : this.options(item.options, reading)));
        if (next.length > MOST) break;
      }
      readings = next.slice(0, MOST);
    }
    const whole = readings.filter((reading) => {
      if (reading.at === this.words.length) return this.hasAllChoices(reading);
      this.expect(reading.at, "the end of the line");
      return false;
    });
    let best = null;
    for (const reading of whole) if (best === null || isBetter(reading, best)) best = reading;
    return best;
  }

  body(writes, reading) {
    return this.writes(writes, [reading, []]).map(([next, args]) => ({ ...next, args: [...next.args, ...args] }));
  }

  options(ids, start) {
    const found = [];
    const open = [start];
    while (open.length && found.length <= MOST) {
      const reading = open.pop();
      for (const id of ids) open.push(...this.option(id, reading));
      found.push(reading);
    }
    return found.reverse();
  }

  option(id, reading) {
    if (!this.allows(id, reading)) return [];
    const writes = this.row.options[id].body.flatMap((run) => run.writes);
    return this.writes(writes, [reading, []])
      .filter(([next]) => next.at > reading.at)
      .map(([next, args]) => ({ ...next, options: { ...next.options, [id]: [...(next.options[id] ?? []), args] } }));
  }

  allows(id, reading) {
    const option = this.row.options[id];
    if (option.parent !== null && !(option.parent in reading.options)) return false;
    const choice = this.row.choices[option.choice];
    return choice.options.every((other) => !(other in reading.options) || (other === id && option.repeatable));
  }

  writes(writes, start) {
    let states = [start];
    for (const write of writes) states = states.flatMap((state) => this.write(write, state)).slice(0, MOST);
    return states;
  }

  write(write, [reading, args]) {
    if (write.word !== undefined) {
      if (!same(this.words[reading.at], write.word)) {
        this.expect(reading.at, write.word);
        return [];
      }
      return [[{ ...reading, at: reading.at + 1, literals: reading.literals + 1 }, args]];
    }
    const param = write.param;
    let start = reading.at;
    let lengths;
    if (write.per === undefined) lengths = this.lengths(param, start);
    else {
      if (!/^\+?\d+$/.test(this.words[start] ?? "")) {
        this.expect(start, `the number of \`${param.name}\``);
        return [];
      }
      const count = Number(this.words[start]);
      start += 1;
      if (write.per * count > this.words.length - start) {
        this.expect(this.words.length, `${count} \`${param.name}\``);
        return [];
      }
      lengths = [write.per * count];
    }
    const states = [];
    for (const length of lengths) {
      try {
        const found = argument(this.spec, param, this.words.slice(start, start + length));
        const byHand = found.byHand ? [...reading.byHand, param.type] : reading.byHand;
        states.push([{ ...reading, at: start + length, byHand }, [...args, found.rust]]);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        this.expect(start, error.message);
      }
    }
    return states;
  }

  lengths(param, start) {
    const left = Math.max(0, this.words.length - start);
    let [step, least] = [0, 1];
    if (param.kind === "named" && param.wire.length !== 1) step = 1;
    else if (param.kind === "args") [step, least] = [1, 0];
    else if (["list", "records", "columns"].includes(param.kind)) [step, least] = [param.width, param.required ? param.width : 0];
    if (left < least) {
      this.expect(this.words.length, `\`${param.name}\``);
      return [];
    }
    if (step === 0) return [least];
    const lengths = [];
    for (let length = least; length <= left; length += step) lengths.push(length);
    return lengths.reverse();
  }

  hasAllChoices(reading) {
    for (const choice of this.row.choices) {
      if (!choice.required || choice.options.some((id) => id in reading.options)) continue;
      for (const id of choice.options) this.expect(this.words.length, this.row.options[id].syntax);
      return false;
    }
    return true;
  }

  failure() {
    const { row, furthest } = this;
    const expected = this.expected.join(", ");
    const word = this.words[furthest];
    if (word === undefined) return `${row.name} is not complete: expected ${expected}. Its syntax: ${row.syntax}`;
    const why = this.misplaced(word);
    if (why) return why;
    const hint = near(word, row.options.map((option) => firstWord(option.label)));
    const text = `${row.name}: \`${word}\` does not fit${hint} Expected ${expected}. The syntax: ${row.syntax}`;
    return text.replaceAll("fit Expected", "fit. Expected");
  }

  misplaced(word) {
    const { row } = this;
    const option = row.options.find((option) => same(word, firstWord(option.label)));
    if (!option) return null;
    const used = row.choices[option.choice].options
      .map((id) => row.options[id])
      .filter((other) => this.words.some((word) => same(word, firstWord(other.label))));
    const other = used.find((other) => other.label !== option.label);
    if (other) return `${row.name}: ${other.label} and ${option.label} exclude each other: only one of them can be given`;
    const count = this.words.filter((found) => same(found, word)).length;
    if (count > 1 && !option.repeatable) return `${row.name}: ${option.label} is given twice`;
    if (option.parent === null) return null;
    return `${row.name}: ${option.label} is only possible after ${row.options[option.parent].label}`;
  }
}

const isBetter = (a, b) => a.literals > b.literals || (a.literals === b.literals && a.byHand.length < b.byHand.length);

// ---- The whole statement.

function replyOf(row, chosen) {
  const rule = row.replies.find((rule) => rule.when.some((term) => term.every(chosen)));
  return (rule ? rule.type : row.reply).replaceAll("std::collections::", "");
}

function shownType(row, reply) {
  return reply.replace(/[\p{L}\p{N}_]+/gu, (word) => {
    const own = row.shown.find((shown) => shown.param === word);
    return own ? own.type : ["T", "K", "V"].includes(word) ? "String" : word;
  }).replaceAll("std::collections::", "");
}

function statement(row, reading) {
  const chosen = (id) => id in reading.options;
  const blocks = row.blocking || row.options.some((option, id) => option.blocks && chosen(id));
  const receiver = row.state ? "exclusive" : blocks ? "pool" : "conn";
  let call = `${receiver}.${row.method}(${reading.args.join(", ")})`;
  for (const id of Object.keys(reading.options).map(Number).sort((a, b) => a - b))
    for (const args of reading.options[id]) call += `.${row.options[id].method}(${args.join(", ")})`;
  const reply = replyOf(row, chosen);
  const shown = shownType(row, reply);
  const rust = shown === reply ? `${call}.await?; // ${shown}` : `let reply: ${shown} = ${call}.await?;`;
  const notes = [];
  if (receiver === "pool") notes.push("It can block: a `Pool` leases a socket for it.");
  if (receiver === "exclusive") notes.push("It changes its connection: take an `Exclusive` (`pool.exclusive().await?`).");
  for (const type of reading.byHand)
    notes.push(`\`${type}\` is a type with methods for what stands here: see its documentation in \`typedis::args\`.`);
  if (row.deprecated) notes.push(`Deprecated: use ${row.deprecated}.`);
  return { rust, notes, row };
}

function command(spec, words) {
  if (!words.length) throw new Wrong("the line is empty: write a command, such as SET key value EX 10");
  const subscribing = channels(words);
  if (subscribing) return subscribing;
  let best = null;
  let failed = null;
  for (const row of rowsOf(spec, words)) {
    const parser = new Parser(spec, row, words);
    const reading = parser.read();
    if (reading) {
      if (best === null || isBetter(reading, best.reading)) best = { row, reading };
    } else if (failed === null || parser.furthest > failed.furthest) failed = parser;
  }
  if (best) return statement(best.row, best.reading);
  throw new Wrong(failed.failure());
}

// Gives { rust, notes, row } or { error }; there is no row for what subscribes.
function translate(spec, line) {
  try {
    const words = lineWords(line);
    const program = programOf(words);
    const found = command(spec, words.slice(program.words));
    const handle = found.rust.replace(/^let .*? = /, "").split(".")[0];
    const before = connecting(program, handle);
    if (before) found.rust = `${before}\n${found.rust}`;
    return found;
  } catch (error) {
    if (error instanceof Wrong) return { error: error.message };
    throw error;
  }
}
