// The folders that several processes work on, and what must be in them when all is done.

import fs from 'node:fs';

export const LOGS = ['logs/0', 'logs/1', 'logs/2'];
/** Bytes of a record of a log. */
export const RECORD = 64;
/** Names that processes race for. */
export const ROUNDS = 400;
export const TARGETS = 4;
/** Bytes of a file that is only ever replaced as a whole. */
export const WHOLE = 10_000;
/** Entries of a folder that stay, half of them in the lower. */
export const STABLE = 200;

/** In the lower: what the processes change is below, so that they race for copy-ups and whiteouts, too. */
export function layGround(lower) {
  process.umask(0o022);
  for (const name of ['logs', 'race', 'victims', 'target', 'stable', 'shared/0', 'shared/1', 'shared/2']) {
    fs.mkdirSync(`${lower}/${name}`, { recursive: true });
  }
  for (const log of LOGS) fs.writeFileSync(`${lower}/${log}`, `${'start'.padEnd(RECORD - 1)}\n`);
  for (let i = 0; i < ROUNDS; i++) fs.writeFileSync(`${lower}/victims/${i}`, '');
  for (let i = 0; i < TARGETS; i++) fs.writeFileSync(`${lower}/target/${i}`, 'z'.repeat(WHOLE));
  for (let i = 0; i < STABLE; i += 2) fs.writeFileSync(`${lower}/stable/entry-${i}`, '');
  for (const side of ['left', 'right']) {
    fs.mkdirSync(`${lower}/dirs/${side}`, { recursive: true });
    fs.writeFileSync(`${lower}/dirs/${side}/file`, `${side}\n`);
  }
}

/** The other half of the stable entries, made through the mount. */
export function layUpperGround(mount) {
  for (let i = 1; i < STABLE; i += 2) fs.writeFileSync(`${mount}/stable/entry-${i}`, '');
}

/** What in the tree contradicts the journals; nothing, if all is well. */
export function contradictions(root, journals) {
  const found = journals.flatMap(({ problems }) => problems);
  const expect = (ok, what) => {
    if (!ok) found.push(what);
  };
  for (const log of LOGS) {
    const records = fs.readFileSync(`${root}/${log}`, 'latin1').split('\n').slice(1, -1);
    journals.forEach(({ appended }, id) => {
      const own = records.filter((record) => record.startsWith(`${id} `)).map((record) => record.trimEnd());
      const wanted = Array.from({ length: appended[log] ?? 0 }, (_, i) => `${id} ${i}`);
      expect(
        own.join() === wanted.join(),
        `${log}: ${own.length} of ${wanted.length} records of process ${id}`,
      );
    });
    const all = journals.reduce((sum, { appended }) => sum + (appended[log] ?? 0), 0);
    expect(records.length === all, `${log}: ${records.length} records for ${all}`);
  }
  const winners = new Map(journals.flatMap(({ won }, id) => won.map((name) => [name, id])));
  const won = journals.reduce((sum, journal) => sum + journal.won.length, 0);
  expect(winners.size === won, `${won} processes have won ${winners.size} races`);
  expect(fs.readdirSync(`${root}/race`).length === won, `race: not ${won} files`);
  for (const [name, id] of winners) {
    expect(fs.readFileSync(`${root}/${name}`, 'latin1') === `${id}`, `${name}: not what the winner wrote`);
  }
  const removed = journals.flatMap((journal) => journal.removed);
  expect(new Set(removed).size === removed.length, 'a file was removed twice');
  const victims = fs.readdirSync(`${root}/victims`);
  expect(
    victims.length === ROUNDS - removed.length,
    `victims: ${victims.length} left, ${removed.length} removed`,
  );
  for (const name of removed) expect(!fs.existsSync(`${root}/${name}`), `${name}: is there again`);
  const files = new Map(journals.flatMap((journal) => Object.entries(journal.files)));
  const there = ['0', '1', '2'].flatMap((dir) =>
    fs
      .readdirSync(`${root}/shared/${dir}`, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => `shared/${dir}/${name}`),
  );
  expect(there.length === files.size, `shared: ${there.length} files for ${files.size}`);
  for (const [name, text] of files) {
    const read = fs.existsSync(`${root}/${name}`) ? fs.readFileSync(`${root}/${name}`, 'latin1') : 'nothing';
    expect(read === text, `${name}: has '${read}', not '${text}'`);
  }
  // Names of one file: as many as its link count says.
  const links = new Map();
  for (const name of there) {
    const { ino, nlink } = fs.statSync(`${root}/${name}`);
    links.set(ino, [(links.get(ino)?.[0] ?? 0) + 1, nlink]);
  }
  for (const [names, nlink] of links.values()) expect(names === nlink, `${names} names for ${nlink} links`);
  expect(
    fs.readdirSync(`${root}/target`).filter((name) => !name.startsWith('new-')).length === TARGETS,
    'target',
  );
  const sides = ['left', 'right'].map((side) => fs.readFileSync(`${root}/dirs/${side}/file`, 'latin1'));
  expect(sides.sort().join('') === 'left\nright\n', 'dirs: not both folders');
  return found;
}
