// What a mount's server has done and needs: requests by its control socket, memory by /proc. Its pid and socket stand
// in the mount table; the server of another program is the process that was given the mount point.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

function memoryOf(pid) {
  return () => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const sum = (pattern) =>
      [...text.matchAll(pattern)].reduce((total, [, kib]) => total + Number(kib) / 1024, 0);
    return { resident: sum(/^Rss: +(\d+)/gm), own: sum(/^Private_(?:Clean|Dirty): +(\d+)/gm) };
  };
}

function rowOf(state, target) {
  const folder = join(state, 'mounts');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .find((one) => one.target === target);
}

/** The folder of the snapshot that is mounted at `target`, in the store at `root`. */
export function upperOf(root, state, target) {
  return join(root, 'snapshots', rowOf(state, target).snapshot.id, 'fs');
}

/**
 * `{ requests, memory }` of our mount at `target`, made by the build in `checkout`; undefined if no server of ours has it.
 */
export function serverOf(checkout, state, target) {
  const row = rowOf(state, target);
  if (row?.socket === undefined) return undefined;
  const requests = async () => {
    const { connectControl } = await import(join(resolve(checkout), 'dist/src/mounts/control-socket.js'));
    const control = await connectControl(row.socket);
    try {
      return (await control.ask({ op: 'status' })).requests;
    } finally {
      control.close();
    }
  };
  return { requests, memory: memoryOf(row.process.pid) };
}

/** `{ memory }` of the program that was called with `target` as its last word. */
export function serverAt(target) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    let words;
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    } catch (error) {
      if (error.code === 'ENOENT' || error.code === 'ESRCH') continue;
      throw error;
    }
    if (words.at(-2) === target) return { memory: memoryOf(pid) };
  }
  return undefined;
}
