// One of several processes at work on the same folders of a mount: `worker.mjs ROOT ID SEED OPERATIONS`. It checks
// what must hold at every moment, and ends with a line of JSON: what it has done for good, and what it saw go wrong.

import fs from 'node:fs';
import { errnoCode, sys } from '../../dist/fs/index.js';
import { LOGS, RECORD, ROUNDS, STABLE, TARGETS, WHOLE } from './ground.mjs';

const [root, id, seed, operations] = process.argv.slice(2);
process.chdir(root);
const RENAME_EXCHANGE = 2;
const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND } = fs.constants;

/** mulberry32: the same numbers for the same seed everywhere. */
let state = Number(seed);
function random(below) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % below;
}

const journal = { appended: {}, won: [], removed: [], files: {}, problems: [] };
const mine = [];
let next = 0;

/** The errno of a call that may fail in a race, undefined where it succeeded. Other errors are thrown. */
function unless(codes, act) {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!codes.includes(error.code)) throw error;
    return error.code;
  }
}

function write(path, flags, text) {
  const fd = fs.openSync(path, flags, 0o644);
  try {
    fs.writeSync(fd, text);
  } finally {
    fs.closeSync(fd);
  }
}

const OPERATIONS = {
  append() {
    const log = LOGS[random(LOGS.length)];
    const count = journal.appended[log] ?? 0;
    write(log, O_WRONLY | O_APPEND, `${id} ${count}`.padEnd(RECORD - 1).concat('\n'));
    journal.appended[log] = count + 1;
  },
  createExclusively() {
    const name = `race/${random(ROUNDS)}`;
    const lost = unless(['EEXIST'], () => write(name, O_WRONLY | O_CREAT | O_EXCL, id));
    if (lost === undefined) journal.won.push(name);
  },
  removeOnce() {
    const name = `victims/${random(ROUNDS)}`;
    if (unless(['ENOENT'], () => fs.unlinkSync(name)) === undefined) journal.removed.push(name);
  },
  replace() {
    const name = `target/${random(TARGETS)}`;
    const temporary = `target/new-${id}`;
    fs.writeFileSync(temporary, String.fromCharCode(97 + random(26)).repeat(WHOLE));
    fs.renameSync(temporary, name);
  },
  readReplaced() {
    const text = fs.readFileSync(`target/${random(TARGETS)}`, 'latin1');
    if (text.length !== WHOLE || text !== text[0].repeat(WHOLE))
      throw new Error('a file was replaced in part');
  },
  createOwn() {
    const name = `shared/${random(3)}/${id}-${next++}`;
    fs.writeFileSync(name, name);
    journal.files[name] = name;
    mine.push(name);
  },
  moveOwn() {
    if (mine.length === 0) return;
    const at = random(mine.length);
    const [from, to] = [mine[at], `shared/${random(3)}/${id}-${next++}`];
    fs.renameSync(from, to);
    journal.files[to] = journal.files[from];
    delete journal.files[from];
    mine[at] = to;
  },
  linkOwn() {
    if (mine.length === 0) return;
    const [from, to] = [mine[random(mine.length)], `shared/${random(3)}/${id}-${next++}`];
    fs.linkSync(from, to);
    journal.files[to] = journal.files[from];
    mine.push(to);
  },
  removeOwn() {
    if (mine.length < 20) return;
    const [name] = mine.splice(random(mine.length), 1);
    fs.unlinkSync(name);
    delete journal.files[name];
  },
  churn() {
    const name = `stable/churn-${id}-${random(10)}`;
    if (unless(['EEXIST'], () => write(name, O_WRONLY | O_CREAT | O_EXCL, '')) !== undefined)
      fs.unlinkSync(name);
  },
  list() {
    const names = fs.readdirSync('stable');
    const seen = new Set(names);
    if (seen.size < names.length) throw new Error('a name is listed twice');
    for (let i = 0; i < STABLE; i++) if (!seen.has(`entry-${i}`)) throw new Error(`entry-${i} is not listed`);
  },
  exchangeFolders() {
    const errno = sys.renameErrno(sys.AT_FDCWD, 'dirs/left', sys.AT_FDCWD, 'dirs/right', RENAME_EXCHANGE);
    if (errno !== 0) throw new Error(`exchange of two folders: ${errnoCode(errno)}`);
  },
  readInFolder() {
    const text = fs.readFileSync(`dirs/${random(2) ? 'left' : 'right'}/file`, 'latin1');
    if (text !== 'left\n' && text !== 'right\n')
      throw new Error(`a file in an exchanged folder has '${text}'`);
  },
  makeAndRemoveFolder() {
    const name = `shared/${random(3)}/folder-${random(4)}`;
    if (unless(['EEXIST'], () => fs.mkdirSync(name)) !== undefined)
      unless(['ENOENT'], () => fs.rmdirSync(name));
  },
};

const names = Object.keys(OPERATIONS);
for (let i = 0; i < Number(operations) && journal.problems.length === 0; i++) {
  const name = names[random(names.length)];
  try {
    OPERATIONS[name]();
  } catch (error) {
    journal.problems.push(`process ${id}, operation ${i}, ${name}: ${error.stack}`);
  }
}
process.stdout.write(JSON.stringify(journal));
