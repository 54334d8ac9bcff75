// What an engine's configuration must say to mount by this program, as text to paste.

import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where podman and buildah keep what they have, and the file that says so. */
export interface PodmanStorage {
  readonly file: string;
  /** Images and containers. */
  readonly graphRoot: string;
  /** What is gone after a boot. */
  readonly runRoot: string;
}

/** Where the storage of a user lies as long as no file says otherwise (containers-storage.conf(5), `podman info`). */
export function podmanStorage(uid: number, environment: NodeJS.ProcessEnv): PodmanStorage {
  if (uid === 0) {
    return {
      file: '/etc/containers/storage.conf',
      graphRoot: '/var/lib/containers/storage',
      runRoot: '/run/containers/storage',
    };
  }
  const { XDG_CONFIG_HOME: config, XDG_DATA_HOME: data, XDG_RUNTIME_DIR: runtime, HOME: home } = environment;
  const below = (folder: string | undefined, inHome: string) => folder || join(home || '~', inHome);
  return {
    file: join(below(config, '.config'), 'containers/storage.conf'),
    graphRoot: join(below(data, '.local/share'), 'containers/storage'),
    runRoot: join(runtime && isAbsolute(runtime) ? runtime : runtimeFolder(uid), 'containers'),
  };
}

/** What podman takes where the session names no folder. */
function runtimeFolder(uid: number): string {
  const ofSession = `/run/user/${uid}`;
  const found = statSync(ofSession, { throwIfNoEntry: false });
  return found?.uid === uid ? ofSession : join(tmpdir(), `podman-run-${uid}`);
}

/**
 * storage.conf of podman and buildah. Both places are named for users, too: podman 4.3 cannot commit where a file that is
 * there leaves one out ("runroot must be set"), because buildah's part of it fills in nothing.
 */
export function podmanConfig(program: string, { file, graphRoot, runRoot }: PodmanStorage): string {
  return `# ${file}
# What an existing storage holds was made for another way of mounting: podman system reset removes it.
[storage]
driver = "overlay"
graphroot = ${JSON.stringify(graphRoot)}
runroot = ${JSON.stringify(runRoot)}

[storage.options.overlay]
mount_program = ${JSON.stringify(program)}
`;
}
