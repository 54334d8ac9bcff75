// `podman build`, as root, of an image that installs some 70 packages in one step, with mica-overlayfs for a mount program and
// with fuse-overlayfs. Each has a storage of its own that holds the image already; the packages are files of the machine.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianImage, packagesOfTests } from './image.mjs';
import { assertEqual, must, shell, timed } from './measure.mjs';

const program = new URL('../../bin/mica-overlayfs', import.meta.url).pathname;
const SETTINGS = new URL('../engines/containers.conf', import.meta.url);
const BUILT = 'localhost/built';

/** One package is needed by the preparation of another. */
const CONTAINERFILE = `FROM localhost/bench
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV DEBIAN_FRONTEND=noninteractive
RUN dpkg --install /debs/cron-daemon-common_*.deb && dpkg --install /debs/*.deb
`;

/** Packages, names and owners. The name of a certificate that a package makes for itself says its random key. */
const SHOWN =
  'dpkg-query -W; dpkg --audit; find / -xdev ! -regex "/etc/ssl/certs/[0-9a-f]*\\.0" -printf "%p %y %m %U %G\\n" | sort';

/** A storage of podman in `base`. Returns what runs podman on it. */
function storage(base, mountProgram) {
  const at = mkdtempSync(join(base, 'b-'));
  for (const name of ['home', 'run', 'tmp', 'state', 'context']) mkdirSync(join(at, name));
  writeFileSync(
    join(at, 'storage.conf'),
    `[storage]
driver = "overlay"
graphroot = "${at}/storage"
runroot = "${at}/run/storage"
[storage.options.overlay]
mount_program = "${mountProgram}"
`,
  );
  copyFileSync(SETTINGS, join(at, 'containers.conf'));
  writeFileSync(join(at, 'context/Containerfile'), CONTAINERFILE);
  const env = {
    HOME: join(at, 'home'),
    TMPDIR: join(at, 'tmp'),
    XDG_RUNTIME_DIR: join(at, 'run'),
    CONTAINERS_CONF: join(at, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(at, 'storage.conf'),
    MICA_STATE: join(at, 'state'),
  };
  return { at, podman: (...words) => must('podman', words, { cwd: at, env }) };
}

/** Contenders that build an image, `{ name, turn, end }`; each shows the same names and owners in its first turn. */
export function builders(base) {
  const { archive } = debianImage(base);
  const packages = packagesOfTests();
  let wanted;
  const builder = (name, mountProgram) => {
    const { at, podman } = storage(base, mountProgram);
    podman('load', '--quiet', '--input', archive);
    let isShown = false;
    const turn = async () => {
      shell('sync; cat "$1"/*.deb >/dev/null', packages);
      const words = ['--quiet', '--no-cache', '--isolation', 'oci', '--network', 'none'];
      const given = ['--volume', `${packages}:/debs:ro`, '--tag', BUILT, join(at, 'context')];
      const seconds = timed(() => podman('build', ...words, ...given));
      if (!isShown) {
        const shown = podman('run', '--rm', BUILT, 'sh', '-c', SHOWN);
        wanted ??= shown;
        assertEqual('what was installed', shown, wanted);
        isShown = true;
      }
      podman('rmi', '--force', BUILT);
      return seconds;
    };
    const end = () => {
      shell('grep -o "$1/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l', at);
      rmSync(at, { recursive: true, force: true });
    };
    return { name, turn, end };
  };
  return [builder('micafs', program), builder('fuse-overlayfs', '/usr/bin/fuse-overlayfs')];
}
