// Getting rid of mounts that a mutant left, also of one whose server hangs: its connection is aborted first, which
// fails every request that still waits for it.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const CONNECTIONS = '/sys/fs/fuse/connections';

/** Afterwards nothing is mounted below the folder. */
export function leaveNoMount(folder: string): void {
  for (const { device, point, type } of mountsBelow(folder)) {
    if (type.startsWith('fuse')) abort(device);
    spawnSync('timeout', ['20', 'umount', '-l', point], { stdio: 'ignore' });
  }
}

/** Innermost first. */
function mountsBelow(folder: string): { device: string; point: string; type: string }[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter((words) => words[4]?.startsWith(`${folder}/`))
    .map((words) => ({
      device: words[2] as string,
      point: words[4] as string,
      type: words[words.indexOf('-') + 1] as string,
    }))
    .reverse();
}

function abort(device: string): void {
  const minor = device.split(':')[1];
  if (!existsSync(`${CONNECTIONS}/${minor}`)) {
    spawnSync('mount', ['-t', 'fusectl', 'none', CONNECTIONS], { stdio: 'ignore' });
  }
  const file = `${CONNECTIONS}/${minor}/abort`;
  if (existsSync(file)) writeFileSync(file, '1');
}
