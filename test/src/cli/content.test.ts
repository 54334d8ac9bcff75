// `mica content` from the shell: what each word takes and prints.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/digest.js';
import { Mica } from './mica.js';

const TEXT = 'hello, layers';
const DIGEST = digestOf(TEXT);

describe('mica content', () => {
  let mica: Mica;
  beforeAll(() => {
    mica = new Mica();
    writeFileSync(mica.path('file'), TEXT);
    const words = ['content', 'put', '--label', 'kind=text', '--label', 'a.b/c=x', mica.path('file')];
    expect(mica.run(words)).toEqual({ code: 0, out: `${DIGEST}\n`, err: '' });
    expect(mica.run(['content', 'put'], { input: 'other' })).toMatchObject({ code: 0 });
  });
  afterAll(() => mica.remove());

  it('ls brings what the filters mean, all without one', () => {
    const listed = (...words: string[]) => mica.run(['-q', 'content', 'ls', ...words]).out;
    const both = [DIGEST, digestOf('other')].sort().map((digest) => `${digest}\n`);
    expect(listed()).toBe(both.join(''));
    expect(listed('--filter', 'labels.kind==text')).toBe(`${DIGEST}\n`);
    expect(listed('--filter', 'labels."a.b/c"', '--filter', 'size==5')).toBe(both.join(''));
    expect(listed('--filter', 'size==6')).toBe('');
    expect(mica.run(['content', 'ls', '--filter', 'size='])).toMatchObject({ code: 2, out: '' });
    expect(JSON.parse(mica.run(['--json', 'content', 'ls', '--filter', 'labels.kind']).out)).toMatchObject([
      { digest: DIGEST, size: 13, labels: { kind: 'text', 'a.b/c': 'x' } },
    ]);
  });

  it('put names what it cannot take', () => {
    const put = (path: string) => mica.run(['content', 'put', path]);
    expect(put(mica.dir)).toMatchObject({ code: 2, err: `mica: cannot put ${mica.dir}: it is a folder\n` });
    expect(put('nowhere')).toMatchObject({
      code: 3,
      err: 'mica: cannot put nowhere: there is no such file\n',
    });
  });

  it('get -o makes a file, and says why it does not', () => {
    const got = (file: string) => mica.run(['content', 'get', DIGEST, '-o', file]);
    const made = mica.path('got');
    expect(got(made)).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(made, 'utf8')).toBe(TEXT);
    expect(got(made)).toMatchObject({ code: 4, err: `mica: cannot write ${made}: ${made} exists\n` });
    expect(got(mica.dir)).toMatchObject({ code: 2 });
    expect(got(mica.path('no/where'))).toMatchObject({ code: 3 });
    expect(existsSync(mica.path('no'))).toBe(false);
  });

  it('get writes the whole blob, or a part', () => {
    const got = (...words: string[]) => mica.run(['content', 'get', DIGEST, ...words]);
    expect(got()).toEqual({ code: 0, out: TEXT, err: '' });
    expect(got('--offset', '7').out).toBe('layers');
    expect(got('--offset', '7', '--size', '3').out).toBe('lay');
    expect(got('--size', '5').out).toBe('hello');
    expect(got('--offset', '13')).toMatchObject({ code: 0, out: '' });
    expect(got('--offset', '14')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('it has 13 bytes'),
    });
    expect(got('--size', '-1')).toMatchObject({ code: 2, out: '' });
    expect(mica.run(['content', 'get', digestOf('none')])).toMatchObject({ code: 3 });
    expect(mica.run(['content', 'get', 'sha256:abc'])).toMatchObject({ code: 2 });
  });

  it('put goes on where the same ref ended, or at an offset that fits', () => {
    const put = (input: string, ...words: string[]) =>
      mica.run(['content', 'put', '--ref', 'r', ...words], { input });
    const whole = digestOf('one two');
    expect(put('one', '--expected', whole)).toMatchObject({ code: 5 });
    expect(JSON.parse(mica.run(['--json', 'content', 'ingests', '--filter', 'ref==r']).out)).toMatchObject([
      { ref: 'r', offset: 3, total: 0, expected: whole },
    ]);
    expect(mica.run(['-q', 'content', 'ingests', '--filter', 'ref!=r']).out).toBe('');
    expect(put(' two', '--offset', '2')).toMatchObject({
      code: 2,
      err: expect.stringContaining('it has 3 bytes'),
    });
    expect(put(' two', '--offset', '3', '--expected', whole)).toMatchObject({ code: 0, out: `${whole}\n` });
    expect(mica.run(['content', 'get', whole]).out).toBe('one two');
  });

  it('abort removes an ingest, and says where there is none', () => {
    mica.run(['content', 'put', '--ref', 'gone', '--expected', DIGEST.replace(/.$/, 'f')], { input: 'x' });
    expect(mica.run(['content', 'abort', 'gone'])).toEqual({ code: 0, out: 'gone\n', err: '' });
    expect(mica.run(['content', 'abort', 'gone'])).toMatchObject({ code: 3 });
  });

  it('sharing says the policy and sets it, for every namespace', () => {
    const put = (namespace: string) =>
      mica.run(['-n', namespace, 'content', 'put', '--ref', 'r', '--expected', DIGEST], { input: '' });
    expect(mica.run(['content', 'sharing'])).toEqual({ code: 0, out: 'shared\n', err: '' });
    expect(put('one')).toMatchObject({ code: 0, out: `${DIGEST}\n` });
    expect(mica.run(['content', 'sharing', 'isolated']).out).toBe('isolated\n');
    expect(JSON.parse(mica.run(['--json', 'content', 'sharing']).out)).toEqual({ policy: 'isolated' });
    expect(put('two')).toMatchObject({ code: 5 });
    expect(mica.run(['namespace', 'label', 'one', 'containerd.io/namespace.shareable=true'])).toMatchObject({
      code: 0,
    });
    expect(put('two')).toMatchObject({ code: 0 });
    expect(mica.run(['content', 'sharing', 'open'])).toMatchObject({ code: 2 });
  });
});
