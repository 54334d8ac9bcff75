// What `mica lab` refuses it refuses in a line, before it makes or serves anything.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LESSONS } from '../../../src/web/lessons/index.js';
import { Mica } from './mica.js';

describe('mica lab', () => {
  let mica: Mica;
  let taken: Server;
  let port: string;
  beforeAll(async () => {
    mica = new Mica();
    mkdirSync(mica.path('folder'));
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    port = String((taken.address() as AddressInfo).port);
  });
  afterAll(() => {
    taken.close();
    mica.remove();
  });

  const lesson = (text: string): string => {
    const path = mica.path('lesson.json');
    writeFileSync(path, text);
    return path;
  };

  it('names the file and the field of a lesson with a fault', () => {
    const [first, ...steps] = LESSONS[0]!.steps;
    const path = lesson(
      JSON.stringify({ ...LESSONS[0], steps: [{ ...first, answer: 'neither' }, ...steps] }),
    );
    const done = mica.run(['lab', '--lesson', path]);
    expect(done).toMatchObject({ code: 2, out: '' });
    expect(done.err).toBe(
      `mica: cannot use the lesson ${path}: steps[0].answer: it is none of its choices\nhint: docs/lessons.md has the words of a lesson\n`,
    );
    expect(existsSync(mica.path('state/labs'))).toBe(false);
  });

  it.each([
    ['what is no JSON', () => lesson('{'), 2, 'it is not JSON: '],
    ['a folder', () => mica.path('folder'), 2, 'it is a folder'],
    ['what is not there', () => mica.path('none.json'), 3, 'there is no such file'],
  ])('takes no lesson from %s', (_, file, code, why) => {
    const path = file();
    const done = mica.run(['lab', '--lesson', path]);
    expect(done).toMatchObject({ code, out: '' });
    expect(done.err).toContain(`mica: cannot use the lesson ${path}: ${why}`);
  });

  it('tells the place of what is no JSON in one line', () => {
    const path = lesson('{\n  "title": "x",\n  "layers": base [\n');
    expect(mica.run(['lab', '--lesson', path]).err).toBe(
      `mica: cannot use the lesson ${path}: it is not JSON: line 3, column 13: a value is wanted here: a text in double quotes, a number, { or [\nhint: docs/lessons.md has the words of a lesson\n`,
    );
  });

  it('plays no lesson on a live mount', () => {
    const path = lesson(JSON.stringify(LESSONS[0]));
    expect(mica.run(['lab', '--lesson', path, './folder'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('a lesson has layers of its own'),
    });
  });

  it('says who has its port, and what else to do', () => {
    expect(mica.run(['lab', '--memory', '--port', port])).toMatchObject({
      code: 5,
      out: '',
      err: `mica: cannot listen on 127.0.0.1:${port}: another program listens there\nhint: give another --port, or none for any that is free\n`,
    });
  });

  it.each(['80x', '65536', '-1'])('takes %s for no port', (word) => {
    expect(mica.run(['lab', `--port=${word}`])).toMatchObject({
      code: 2,
      err: `mica: cannot use --port ${word}: a port is a number up to 65535\n`,
    });
  });
});
