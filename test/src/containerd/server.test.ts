// The server around the services: its socket, how it ends, and what it tells of itself.

import { getEventListeners } from 'node:events';
import { lstatSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SnapshotsClient } from '../../../src/containerd/gen/containerd/services/snapshots/v1/snapshots.js';
import {
  HealthCheckResponse_ServingStatus as Health,
  HealthClient,
} from '../../../src/containerd/gen/grpc/health/v1/health.js';
import {
  ServerReflectionClient,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../../src/containerd/gen/grpc/reflection/v1/reflection.js';
import { ServerReflectionClient as AlphaClient } from '../../../src/containerd/gen/grpc/reflection/v1alpha/reflection.js';
import { reflectionServices } from '../../../src/containerd/server/reflection.js';
import { listenAt } from '../../../src/containerd/server/socket.js';
import { startModule } from '../../child.js';
import { ask, insecure, type Served, serveStore } from './served.js';

const SNAPSHOTS = 'containerd.services.snapshots.v1.Snapshots';

describe('the socket', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mica-socket-'));
    path = join(folder, 's');
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is its owner’s alone, and gone with the server', async () => {
    const { server, release } = await listenAt(path);
    expect(lstatSync(path).mode & 0o7777).toBe(0o600);
    await new Promise((resolve) => server.close(resolve));
    release();
    expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('is refused while somebody serves there, of this program or any other', async () => {
    const first = await listenAt(path);
    await expect(listenAt(path)).rejects.toMatchObject({
      kind: 'failed-precondition',
      hint: expect.any(String),
    });
    await new Promise((resolve) => first.server.close(resolve));
    first.release();
    const foreign = createServer().listen(path);
    await new Promise((resolve) => foreign.once('listening', resolve));
    await expect(listenAt(path)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await new Promise((resolve) => foreign.close(resolve));
  });

  test('is taken over from a server that was killed', async () => {
    const child = startModule(
      `import { createServer } from 'node:net';
       createServer().listen(process.argv[2], () => process.kill(process.pid, 'SIGKILL'));`,
      [path],
    );
    await child.exit;
    expect(lstatSync(path).isSocket()).toBe(true);
    const { server, release } = await listenAt(path);
    await new Promise((resolve) => server.close(resolve));
    release();
  });

  test('does not take the place of a file, nor of a path that no socket can have', async () => {
    writeFileSync(path, 'mine');
    await expect(listenAt(path)).rejects.toMatchObject({ kind: 'failed-precondition' });
    await expect(listenAt(join(folder, 'x'.repeat(110)))).rejects.toMatchObject({ kind: 'invalid-argument' });
  });
});

describe('the server', () => {
  let served: Served;
  beforeEach(async () => {
    served = await serveStore();
  });
  afterEach(() => served.close());

  test('ends when the calls that run are done, and takes no new ones', async () => {
    const client = new SnapshotsClient(served.target, insecure());
    const health = new HealthClient(served.target, insecure());
    const watched: Health[] = [];
    const watch = health.watch({ service: SNAPSHOTS });
    const told = new Promise<void>((resolve) => watch.once('data', () => resolve()));
    watch.on('data', ({ status }) => watched.push(status));
    const watchEnded = new Promise((resolve) => watch.on('end', resolve));
    await told;
    // Its handler is at work when the server is asked to end.
    const begun = ask((done) => client.prepare({ snapshotter: '', key: 'k', parent: '', labels: {} }, done));
    await new Promise((resolve) => setImmediate(resolve));
    const stopped = served.server.stop();
    const ended = await Promise.allSettled([begun]);
    await stopped;
    await watchEnded;
    expect(watched).toEqual([Health.SERVING, Health.NOT_SERVING]);
    // It was done, or it had not begun; never something between.
    const there = await served.store
      .inPartition(served.socket)
      .snapshots.stat('k')
      .then(
        () => true,
        () => false,
      );
    expect(ended[0]?.status === 'fulfilled').toBe(there);
    await expect(ask((done) => client.stat({ snapshotter: '', key: 'k' }, done))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
    client.close();
    health.close();
  });

  test('says of each service that it serves, and of others that it does not know them', async () => {
    const client = new HealthClient(served.target, insecure());
    for (const service of ['', SNAPSHOTS, 'grpc.health.v1.Health']) {
      expect(await ask((done) => client.check({ service }, done))).toEqual({ status: Health.SERVING });
    }
    await expect(ask((done) => client.check({ service: 'x.Y' }, done))).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    const watch = client.watch({ service: 'x.Y' });
    const first = new Promise((resolve) => watch.once('data', resolve));
    expect(await first).toEqual({ status: Health.SERVICE_UNKNOWN });
    const ended = new Promise((resolve) => watch.once('error', resolve));
    watch.cancel();
    await ended;
    client.close();
  });

  test('keeps nothing of a call for its services that has ended', async () => {
    const { signal } = new AbortController();
    const [service] = reflectionServices([], signal);
    const info = service?.handlers['serverReflectionInfo'] as (
      asked: AsyncIterable<unknown>,
    ) => AsyncIterable<unknown>;
    async function* questions() {
      yield { host: '', messageRequest: { $case: 'listServices', value: '' } };
    }
    for await (const answer of info(questions())) expect(answer).toMatchObject({ messageResponse: {} });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test.each([
    ['v1', ServerReflectionClient],
    ['v1alpha', AlphaClient],
  ])('tells of its services and their files: %s', async (version, Client) => {
    const client = new Client(served.target, insecure());
    const call = client.serverReflectionInfo();
    const answers: ServerReflectionResponse[] = [];
    const ended = new Promise((resolve) => call.on('end', resolve));
    call.on('data', (answer: ServerReflectionResponse) => answers.push(answer));
    const questions: ServerReflectionRequest['messageRequest'][] = [
      { $case: 'listServices', value: '' },
      { $case: 'fileContainingSymbol', value: `${SNAPSHOTS}.Prepare` },
      { $case: 'fileByFilename', value: 'containerd/types/mount.proto' },
      { $case: 'fileContainingSymbol', value: 'no.Such' },
      { $case: 'allExtensionNumbersOfType', value: SNAPSHOTS },
    ];
    for (const messageRequest of questions) call.write({ host: '', messageRequest });
    call.end();
    await ended;
    client.close();
    const [names, files, file, none, odd] = answers.map(({ messageResponse }) => messageResponse);
    expect(names).toMatchObject({
      value: {
        service: expect.arrayContaining([
          { name: SNAPSHOTS },
          { name: `grpc.reflection.${version}.ServerReflection` },
        ]),
      },
    });
    if (files?.$case !== 'fileDescriptorResponse') throw new Error('no files were told');
    const told = files.value.fileDescriptorProto.map(
      (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
    );
    expect(told[0]).toBe('containerd/services/snapshots/v1/snapshots.proto');
    expect(told).toContain('google/protobuf/timestamp.proto');
    expect(file).toMatchObject({ value: { fileDescriptorProto: [expect.any(Buffer)] } });
    expect(none).toMatchObject({ value: { errorCode: status.NOT_FOUND } });
    expect(odd).toMatchObject({ value: { errorCode: status.UNIMPLEMENTED } });
  });
});
