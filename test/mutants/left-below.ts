// Getting rid of what a mutant left behind: mounts, also one whose server hangs (its connection is aborted first,
// which fails every request that still waits for it), and servers that go on without their mount.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const CONNECTIONS = '/sys/fs/fuse/connections';

/** Afterwards nothing is mounted below the folder, and no program of it runs. */
export function clearBelow(folder: string): void {
  for (const { device, point, type } of mountsBelow(folder)) {
    if (type.startsWith('fuse')) abort(device);
    spawnSync('timeout', ['20', 'umount', '-l', point], { stdio: 'ignore' });
  }
  for (const pid of programsOf(folder)) spawnSync('kill', ['-KILL', `${pid}`], { stdio: 'ignore' });
}

/** The processes whose command line names a file below the folder. */
function programsOf(folder: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => commandLine(pid).some((word) => word.startsWith(`${folder}/`)));
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return [];
    throw error;
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
