// Images between stores, registries and other programs, by the command line and against the real registry.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pullImage } from '../../src/registry/pull.js';
import { memStore } from '../fixtures/store.js';
import { describeWith } from '../requires.js';
import { Mica, type Ran } from '../src/cli/mica.js';
import { listTree, treeDifferences } from '../tree.js';
import { type Certificate, selfSigned, startDockerRegistry, stopAll } from './docker-registry.js';

const micas: Mica[] = [];
function fresh(): Mica {
  const mica = new Mica();
  micas.push(mica);
  return mica;
}

function ok(ran: Ran): string {
  expect(ran).toMatchObject({ code: 0 });
  return ran.out;
}

/** What `mica inspect` says of an image, but for its name. */
function imageOf(mica: Mica, name: string): object {
  const {
    name: _,
    labels: __,
    created: ___,
    ...image
  } = JSON.parse(ok(mica.run(['inspect', name, '--json'])));
  return image;
}

/** The tree of an image as a plain folder. */
function unpacked(mica: Mica, name: string): Map<string, string> {
  const folder = mica.path(`tree-${name.replace(/\W/g, '-')}`);
  ok(mica.run(['unpack', name, folder]));
  return listed(folder);
}

/** An ordinary user cannot set owners. */
function listed(folder: string): Map<string, string> {
  return listTree(folder, { withoutOwners: process.geteuid?.() !== 0 });
}

describeWith(
  ['program:docker-registry', 'program:htpasswd', 'program:openssl', 'program:skopeo', 'program:getfattr'],
  'a real registry',
  () => {
    let base: string;
    let host: string;
    /** A folder to make images of. */
    let tree: string;

    beforeAll(async () => {
      base = mkdtempSync(join(tmpdir(), 'mica-registry-'));
      host = await startDockerRegistry(join(base, 'plain'));
      tree = join(base, 'tree');
      mkdirSync(join(tree, 'etc'), { recursive: true });
      writeFileSync(join(tree, 'etc/hello'), 'hello\n');
      writeFileSync(join(tree, 'large'), Buffer.alloc(3_000_000, 'large'));
      symlinkSync('../large', join(tree, 'etc/link'));
      mkdirSync(join(tree, 'tool'));
      writeFileSync(join(tree, 'tool/run'), '#!/bin/sh\n');
      chmodSync(join(tree, 'tool/run'), 0o755);
    });
    afterAll(async () => {
      await stopAll();
      for (const mica of micas) mica.remove();
      rmSync(base, { recursive: true, force: true });
    });

    const skopeo = (...words: string[]): string => execFileSync('skopeo', words, { encoding: 'utf8' });

    it('has an image through its whole life: pushed, pulled, changed, committed, pushed, pulled elsewhere', () => {
      const maker = fresh();
      ok(maker.run(['image', 'create', 'made', '--from', tree]));
      const pushed = ok(maker.run(['push', 'made', `${host}/life/base:1`]));
      expect(pushed).toMatch(new RegExp(`^${host}/life/base:1@sha256:[0-9a-f]{64}\n$`));

      const changer = fresh();
      expect(ok(changer.run(['pull', `${host}/life/base:1`]))).toBe(`${host}/life/base:1\n`);
      expect(imageOf(changer, `${host}/life/base:1`)).toEqual(imageOf(maker, 'made'));
      expect(treeDifferences(unpacked(changer, `${host}/life/base:1`), listed(tree))).toEqual([]);
      const top = JSON.parse(ok(changer.run(['inspect', `${host}/life/base:1`, '--json']))).layers.at(
        -1,
      ).chainId;
      ok(changer.run(['snapshot', 'prepare', 'work', top]));
      writeFileSync(changer.path('new'), 'changed\n');
      ok(changer.run(['cp', changer.path('new'), 'work:etc/hello']));
      ok(changer.run(['cp', changer.path('new'), 'work:etc/new']));
      ok(changer.run(['commit', 'work', 'changed', '--image', 'changed:1', '--env', 'A=b']));
      const progress = ok(changer.run(['push', 'changed:1', `${host}/other/app:2`, '--json']));
      const lines = progress
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      // The layer of the base is mounted from the repository that it came from.
      expect(lines.filter(({ phase }) => phase === 'skip')).toHaveLength(1);
      expect(lines.at(-1)).toMatchObject({ image: 'changed:1', ref: `${host}/other/app:2` });

      const other = fresh();
      ok(other.run(['pull', `${host}/other/app:2`, '-q']));
      expect(imageOf(other, `${host}/other/app:2`)).toEqual(imageOf(changer, 'changed:1'));
      expect(treeDifferences(unpacked(other, `${host}/other/app:2`), unpacked(changer, 'changed:1'))).toEqual(
        [],
      );
      expect(ok(other.run(['cat', `${host}/other/app:2:/etc/hello`]))).toBe('changed\n');
      // Pushed again from there it is the same, and nothing is sent.
      const again = ok(other.run(['push', `${host}/other/app:2`, '--json']));
      expect(again).not.toContain('"phase":"push"');
      expect(JSON.parse(again.trim().split('\n').at(-1) ?? '')).toMatchObject({
        digest: lines.at(-1).digest,
      });
    });

    describeWith(['root', 'fuse', 'program:busybox'], 'and a machine that can run commands', () => {
      it('have an image that a command has changed', () => {
        const rooted = join(base, 'rooted');
        mkdirSync(join(rooted, 'bin'), { recursive: true });
        const busybox = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim();
        copyFileSync(busybox, join(rooted, 'bin/busybox'));
        for (const name of ['sh', 'rm', 'mkdir', 'mv']) symlinkSync('busybox', join(rooted, 'bin', name));
        mkdirSync(join(rooted, 'etc'));
        writeFileSync(join(rooted, 'etc/gone'), 'x');
        writeFileSync(join(rooted, 'etc/moved'), 'y');
        const maker = fresh();
        ok(maker.run(['image', 'create', 'made', '--from', rooted]));
        ok(maker.run(['push', 'made', `${host}/run/base:1`]));

        const runner = fresh();
        ok(runner.run(['pull', `${host}/run/base:1`]));
        const script =
          'cd etc; rm gone; mkdir -m 750 new; mv moved new; echo ran >new/file; chown 7:8 new/file';
        ok(runner.run(['run', '--name', 'work', `${host}/run/base:1`, '--', 'sh', '-ec', script]));
        ok(runner.run(['commit', 'work', 'ran', '--image', 'ran:1']));
        ok(runner.run(['push', 'ran:1', `${host}/run/app:1`]));

        const other = fresh();
        ok(other.run(['pull', `${host}/run/app:1`]));
        expect(imageOf(other, `${host}/run/app:1`)).toEqual(imageOf(runner, 'ran:1'));
        const tree = unpacked(other, `${host}/run/app:1`);
        expect(treeDifferences(tree, unpacked(runner, 'ran:1'))).toEqual([]);
        expect(ok(other.run(['cat', `${host}/run/app:1:/etc/new/file`]))).toBe('ran\n');
        expect([tree.has('etc/gone'), tree.has('etc/new/moved')]).toEqual([false, true]);
      });
    });

    it('gives skopeo what was pushed, and takes what skopeo pushed, digest for digest', () => {
      const mica = fresh();
      ok(mica.run(['image', 'create', 'made', '--from', tree]));
      ok(mica.run(['push', 'made', `${host}/skopeo/a:1`]));
      const { digest } = JSON.parse(ok(mica.run(['inspect', 'made', '--json'])));
      const layout = join(base, 'layout');
      skopeo('copy', '-q', '--src-tls-verify=false', `docker://${host}/skopeo/a:1`, `oci:${layout}:a`);
      skopeo('copy', '-q', '--dest-tls-verify=false', `oci:${layout}:a`, `docker://${host}/skopeo/b:1`);
      expect(JSON.parse(skopeo('inspect', '--tls-verify=false', `docker://${host}/skopeo/b:1`)).Digest).toBe(
        digest,
      );
      const other = fresh();
      ok(other.run(['pull', `${host}/skopeo/b:1`]));
      expect(imageOf(other, `${host}/skopeo/b:1`)).toEqual(imageOf(mica, 'made'));
      // As Docker spells it, too.
      const format = ['--format', 'v2s2', '--dest-tls-verify=false', '--src-tls-verify=false'];
      skopeo('copy', '-q', ...format, `docker://${host}/skopeo/a:1`, `docker://${host}/skopeo/c:1`);
      ok(other.run(['pull', `${host}/skopeo/c:1`]));
      expect(treeDifferences(unpacked(other, `${host}/skopeo/c:1`), listed(tree))).toEqual([]);
    });

    it('sends in chunks where that is wanted', () => {
      const mica = fresh();
      const noise = join(base, 'noise');
      mkdirSync(noise);
      execFileSync('dd', ['if=/dev/urandom', `of=${noise}/noise`, 'bs=1M', 'count=3'], { stdio: 'ignore' });
      ok(mica.run(['image', 'create', 'made', '--from', noise, '--no-unpack']));
      ok(mica.run(['push', 'made', `${host}/chunks/a:1`, '--chunk-size', '1']));
      const other = fresh();
      ok(other.run(['pull', `${host}/chunks/a:1`]));
      expect(imageOf(other, `${host}/chunks/a:1`)).toEqual(imageOf(mica, 'made'));
    });

    it('says what it does not have in one line and by the exit code', () => {
      const mica = fresh();
      const { code, out, err } = mica.run(['pull', `${host}/nothing:1`]);
      expect([code, out]).toEqual([3, '']);
      expect(err).toMatch(/^mica: cannot pull .*: MANIFEST_UNKNOWN: .*, 404\)\nhint: .*\n$/);
      expect(mica.run(['pull', 'Not/A Name']).code).toBe(2);
      expect(mica.run(['push', 'nothing', `${host}/x:1`]).code).toBe(3);
    });

    describe('with TLS', () => {
      let secure: string;
      let certificate: Certificate;
      let other: Certificate;

      beforeAll(async () => {
        certificate = selfSigned(join(base, 'tls'), 'registry');
        other = selfSigned(join(base, 'tls'), 'other');
        secure = await startDockerRegistry(join(base, 'secure'), { tls: certificate });
      });

      it('is trusted by its authority, given as an option, by the environment or in certs.d', () => {
        const mica = fresh();
        ok(mica.run(['image', 'create', 'made', '--from', tree, '--no-unpack']));
        ok(mica.run(['push', 'made', `${secure}/a:1`, '--ca', certificate.cert]));
        ok(mica.run(['pull', `${secure}/a:1`, '--ca', certificate.cert]));
        const env = { SSL_CERT_FILE: certificate.cert };
        ok(mica.run(['pull', `${secure}/a:1`, '--ca', other.cert], { env }));
        const folder = mica.path('.config/containers/certs.d', secure);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, 'ca.crt'), execFileSync('cat', [certificate.cert]));
        ok(mica.run(['pull', `${secure}/a:1`, '--ca', other.cert]));
      });

      it('is reached through a proxy', async () => {
        const maker = fresh();
        ok(maker.run(['image', 'create', 'made', '--from', tree, '--no-unpack']));
        ok(maker.run(['push', 'made', `${secure}/proxied:1`]));
        const through: string[] = [];
        const proxy = createServer();
        proxy.on('connect', (request: IncomingMessage, client: Socket) => {
          through.push(request.url ?? '');
          const [address, port] = secure.split(':');
          const onward = connect(Number(port), address, () => {
            client.write('HTTP/1.1 200 OK\r\n\r\n');
            onward.pipe(client).pipe(onward);
          });
          onward.on('error', () => client.destroy());
          client.on('error', () => onward.destroy());
        });
        await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
        try {
          const environment = { HTTPS_PROXY: `127.0.0.1:${(proxy.address() as AddressInfo).port}` };
          const store = memStore();
          const name = 'registry.test/proxied:1';
          await pullImage(store, name, { unpack: false, ca: certificate.cert, environment });
          expect(store.images.get(name)?.target.digest).toBe(
            JSON.parse(ok(maker.run(['inspect', 'made', '--json']))).digest,
          );
          expect(new Set(through)).toEqual(new Set(['registry.test:443']));
          // The certificate is that of the registry, not of the proxy.
          const other = pullImage(store, 'other.test/proxied:1', {
            unpack: false,
            ca: certificate.cert,
            environment,
          });
          await expect(other).rejects.toMatchObject({ why: expect.stringContaining('not trusted') });
        } finally {
          proxy.closeAllConnections();
          proxy.close();
        }
      });

      it('may not lead to where nothing is encrypted', async () => {
        const pair = { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) };
        const server = createSecureServer(pair, (request, response) => {
          const isBlob = request.url?.includes('/manifests/') === true;
          response.writeHead(isBlob ? 307 : 200, isBlob ? { Location: 'http://storage.test/x' } : {}).end();
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        try {
          const name = `127.0.0.1:${(server.address() as AddressInfo).port}/a:1`;
          const pulling = pullImage(memStore(), name, { ca: certificate.cert, environment: {} });
          await expect(pulling).rejects.toMatchObject({
            why: expect.stringContaining('http://storage.test, which is not encrypted'),
            hint: '--insecure allows it',
          });
        } finally {
          server.closeAllConnections();
          server.close();
        }
      });

      it('is refused with another authority, and taken as it is where that is asked for', () => {
        const mica = fresh();
        ok(mica.run(['image', 'create', 'made', '--from', tree, '--no-unpack']));
        const refused = mica.run(['push', 'made', `${secure}/b:1`, '--ca', other.cert]);
        expect(refused.code).toBe(1);
        expect(refused.err).toMatch(/^mica: .*not trusted: x509: .*\nhint: --ca FILE .*--insecure.*\n$/);
        ok(mica.run(['push', 'made', `${secure}/b:1`, '--insecure']));
        // On a loopback address, as for Docker, without being asked.
        ok(mica.run(['pull', `${secure}/b:1`]));
        const plain = mica.run(['pull', `${secure}/b:1`, '--plain-http']);
        expect(plain.code).toBe(1);
        expect(mica.run(['pull', `${secure}/b:1`, '--ca', mica.path('missing')]).code).toBe(3);
      });
    });

    it('with a login is open to who is in a file of credentials or has a helper', async () => {
      const closed = await startDockerRegistry(join(base, 'closed'), { login: ['me', 'pass:word'] });
      const mica = fresh();
      ok(mica.run(['image', 'create', 'made', '--from', tree, '--no-unpack']));
      const push = (env: Record<string, string>) => mica.run(['push', 'made', `${closed}/a:1`], { env });
      const anonymous = push({});
      expect(anonymous.code).toBe(1);
      expect(anonymous.err).toMatch(
        /UNAUTHORIZED: .*401\)\nhint: log in with podman login .* REGISTRY_AUTH_FILE\n$/,
      );

      const write = (path: string, value: object): string => {
        mkdirSync(join(mica.path(path), '..'), { recursive: true });
        writeFileSync(mica.path(path), JSON.stringify(value));
        return mica.path(path);
      };
      const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
      const wrong = write('wrong.json', { auths: { [closed]: auth('me:no') } });
      expect(push({ REGISTRY_AUTH_FILE: wrong }).err).toContain('do not suffice');
      const right = write('right.json', { auths: { [`${closed}/a`]: auth('me:pass:word') } });
      ok(push({ REGISTRY_AUTH_FILE: right }));

      write('.docker/config.json', { credHelpers: { [closed]: 'test' } });
      const helper = mica.path('docker-credential-test');
      writeFileSync(helper, `#!/bin/sh\nread -r server; echo '{"Username":"me","Secret":"pass:word"}'\n`);
      chmodSync(helper, 0o755);
      expect(mica.run(['pull', `${closed}/a:1`]).err).toContain(
        'hint: there is no program docker-credential-test',
      );
      ok(mica.run(['pull', `${closed}/a:1`], { env: { PATH: `${mica.dir}:${process.env['PATH']}` } }));
    });
  },
);
