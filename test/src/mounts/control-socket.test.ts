import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectControl, memoryControl, serveControl } from '../../../src/mounts/control-socket.js';
import { controlSuite } from '../../suites/control.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mica-control-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

controlSuite('in memory', async (handler) => ({
  connect: async () => memoryControl(handler),
  close: async () => undefined,
}));

controlSuite('unix socket', async (handler) => {
  const path = join(folder, 'control');
  const server = await serveControl(path, handler);
  return { connect: () => connectControl(path), close: () => server.close() };
});

describe('a control socket', () => {
  it('may have a path that is longer than a socket address', async () => {
    const deep = join(folder, 'x'.repeat(100), 'y'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const path = join(deep, 'control');
    const server = await serveControl(path, async () => ({ settled: true }));
    const client = await connectControl(path);
    expect(await client.ask({ op: 'settle' })).toEqual({ settled: true });
    client.close();
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('says that the server is gone, also to who is waiting for an answer', async () => {
    const path = join(folder, 'control');
    await expect(connectControl(path)).rejects.toMatchObject({ kind: 'failed-precondition' });
    let heard: (() => void) | undefined;
    const arrived = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const server = await serveControl(path, async () => {
      heard?.();
      return new Promise<object>(() => undefined);
    });
    const client = await connectControl(path);
    const waiting = client.ask({ op: 'usage' });
    await arrived;
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ kind: 'failed-precondition' }),
      server.close(),
    ]);
  });

  it('goes on when an asker goes away without having read its answers', async () => {
    const path = join(folder, 'control');
    const answered: string[] = [];
    const server = await serveControl(path, async ({ op }) => {
      answered.push(op);
      return {};
    });
    const hasty = createConnection(path).pause();
    hasty.write('{"op":"usage"}\n');
    await expect.poll(() => answered).toEqual(['usage']);
    // The answer is on its way, and nobody takes it: the server's end of the connection fails (ECONNRESET).
    await new Promise<void>((resolve) => setImmediate(resolve));
    hasty.destroy();
    const client = await connectControl(path);
    expect(await client.ask({ op: 'settle' })).toEqual({});
    client.close();
    await server.close();
  });

  it('says that the server is gone where it failed with a question unread', async () => {
    const path = join(folder, 'control');
    let accepted: ((socket: Socket) => void) | undefined;
    const other = new Promise<Socket>((resolve) => {
      accepted = resolve;
    });
    const server = createServer({ pauseOnConnect: true }, (socket) => accepted?.(socket)).listen(path);
    const client = await connectControl(path);
    const waiting = client.ask({ op: 'usage' });
    (await other).destroy();
    await expect(waiting).rejects.toMatchObject({ kind: 'failed-precondition' });
    await new Promise((resolve) => server.close(resolve));
  });

  it.each([
    ['nonsense', 'it is not JSON'],
    ['null', 'its op is not known'],
    ['{"op":"toString"}', 'its op is not known'],
    ['{"op":"exchange"}', 'its upper is not of type object'],
    ['{"op":"exchange","upper":null,"marker":"m"}', 'its upper is not of type object'],
    ['{"op":"exchange","upper":{},"below":"b","marker":"m"}', 'its below is not of type object'],
    ['{"op":"exchange","upper":{}}', 'its marker is not of type string'],
    ['{"op":"explain"}', 'its pathBase64 is not of type string'],
    ['{"op":"events","since":"0"}', 'its since is not of type number'],
    ['{"op":"events","since":0,"requests":1}', 'its requests is not of type boolean'],
  ])('answers %s with "%s", and asks nobody', async (asked, why) => {
    const path = join(folder, 'control');
    const heard: string[] = [];
    const server = await serveControl(path, async ({ op }) => {
      heard.push(op);
      return {};
    });
    const socket = createConnection(path);
    socket.write(`${asked}\n`);
    for await (const line of createInterface({ input: socket })) {
      expect(JSON.parse(line)).toMatchObject({ error: { kind: 'invalid-argument', why } });
      break;
    }
    expect(heard).toEqual([]);
    socket.destroy();
    await server.close();
  });
});
