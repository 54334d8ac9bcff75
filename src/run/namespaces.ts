// How the processes of a container come into namespaces of their own: by util-linux's programs, because a process with
// threads, as Node is, can neither unshare its user namespace nor fork into a new pid namespace (unshare(2)).

import { spawnSync } from 'node:child_process';
import { sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { hasRange, namesOfUser, RANGE_FILES } from '../subordinate-ids.js';

export interface OwnNamespaces {
  /** For who has no CAP_SYS_ADMIN. */
  readonly user: boolean;
  /** The user namespace has the user's subordinate ids besides the user himself, who is its root. */
  readonly manyIds: boolean;
}

/** What this process needs to run a container. unsupported where util-linux's programs are missing. */
export function neededNamespaces(): OwnNamespaces {
  if (process.platform !== 'linux')
    throw missing(`there are no namespaces on ${process.platform}`, undefined);
  const help = spawnSync('unshare', ['--help'], { encoding: 'utf8' });
  if (help.error !== undefined) throw missing('there is no program unshare', 'apt-get install util-linux');
  if (sys.hasCapability(sys.CAP_SYS_ADMIN)) return { user: false, manyIds: false };
  const names = namesOfUser();
  const hasIds = RANGE_FILES.every((path) => hasRange(path, names));
  const manyIds = help.stdout.includes('--map-auto') && hasIds && has('newuidmap');
  return { user: true, manyIds };
}

/** Before the command of who makes the first namespaces, in which the snapshot is mounted. */
export function keeperWords({ user, manyIds }: OwnNamespaces): readonly [string, ...string[]] {
  const ids = manyIds ? ['--map-root-user', '--map-auto'] : ['--map-root-user'];
  // What is unmounted outside is unmounted there, where mounts are shared at all.
  return ['unshare', ...(user ? ids : []), '--mount', '--propagation', 'slave', '--'];
}

/**
 * Before the command of the first process of a container, which begins in the namespaces of process `keeper`. Signals
 * that a terminal sends to all must not end what stands in between: it tells how the container ended.
 */
export function initWords(keeper: number, { user }: OwnNamespaces): readonly [string, ...string[]] {
  const enter = [
    'nsenter',
    '--target',
    `${keeper}`,
    ...(user ? ['--user', '--preserve-credentials'] : []),
    '--mount',
  ];
  const own = ['unshare', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--'];
  return ['sh', '-c', 'trap "" INT QUIT TERM HUP; exec "$@"', 'sh', ...enter, '--', ...own];
}

function has(program: string): boolean {
  return (
    (spawnSync(program, [], { stdio: 'ignore' }).error as NodeJS.ErrnoException | undefined)?.code !==
    'ENOENT'
  );
}

function missing(why: string, hint: string | undefined): StoreError {
  return new StoreError('unsupported', 'cannot run a container', why, hint === undefined ? {} : { hint });
}
