// The server of a mount is killed again and again while files are written through it. What fsync acknowledged is
// there afterwards, whole; the upper mounts again, and so it does by the kernel once it is settled.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { eachWithMount } from '../mount/mounted.js';
import { describeWith } from '../requires.js';

const KILLS = 40;

/** Writes files of `round` until the mount is gone; a line of their name for each that fsync acknowledged. */
const WRITER = `
  const fs = require('node:fs');
  const [folder, round] = process.argv.slice(1);
  const kept = fs.openSync(folder, 'r');
  try {
    for (let n = 0; ; n++) {
      const name = round + '-' + n;
      const text = (name + ';').repeat(1 + (n * 37) % 900);
      const fd = fs.openSync(folder + '/' + name + '.new', 'w');
      fs.writeSync(fd, text);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      fs.renameSync(folder + '/' + name + '.new', folder + '/' + name);
      fs.fsyncSync(kept);
      fs.appendFileSync(folder + '/lower', 'x');
      if (n % 3 === 2 && n < 30) fs.unlinkSync(folder + '/low-' + round + '-' + (n % 30));
      process.stdout.write(name + ' ' + text.length + '\\n');
    }
  } catch (error) {
    if (!['ENOTCONN', 'ECONNABORTED'].includes(error.code)) throw error;
  }
`;

describeWith(['root', 'fuse', 'overlay'], 'a server that is killed while it writes', () => {
  const at = eachWithMount();

  it('loses nothing that was acknowledged, and leaves an upper that mounts', async () => {
    const mnt = at.scratch.at('mnt');
    at.scratch.sh(`
      echo lower > lower/lower
      for round in $(seq 0 ${KILLS - 1}); do for n in $(seq 0 29); do echo low > lower/low-$round-$n; done; done
    `);
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < KILLS; round++) {
      const served = await at.serve();
      const writer = spawn('timeout', ['60', process.execPath, '-e', WRITER, mnt, `${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => writer.once('exit', resolve));
      let seen = 0;
      for await (const line of createInterface({ input: writer.stdout })) {
        const [name = '', length = ''] = line.split(' ');
        acknowledged.set(name, Number(length));
        // Somewhere in the writing of the next file, later with each round.
        if (++seen === 3 + round) served.process.kill('SIGKILL');
      }
      expect([round, seen >= 3 + round, await ended]).toEqual([round, true, 0]);
      await served.exit;
      at.scratch.sh('umount -l mnt');
    }
    expect(acknowledged.size).toBeGreaterThan(KILLS * 3);
    const check = () => {
      for (const [name, length] of acknowledged) {
        const text = readFileSync(`${mnt}/${name}`, 'utf8');
        expect([name, text.length, text.startsWith(`${name};`)]).toEqual([name, length, true]);
      }
    };
    const served = await at.serve();
    check();
    // True or false: only a kill in the middle of a copy-up may leave something to settle.
    expect(await served.ask({ op: 'settle' })).toHaveProperty('settled');
    expect(await served.stop()).toBe('unmounted');
    at.scratch.sh('mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,index=off mnt');
    try {
      check();
    } finally {
      at.scratch.sh('umount mnt');
    }
  });
});
