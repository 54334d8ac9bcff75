// What runs in a container, from an image's config and the words of a command.

import { describe, expect, it } from 'vitest';
import { argsIn, containerProcess, type Execution, runtimeSpec } from '../../../src/run/container-process.js';

const AROUND = { hostName: 'host', env: { HERE: 'mine', TERM: 'xterm' } };
const NOTHING = { command: [], env: [] };

describe('what runs in a container', () => {
  const argsOf = (config: Execution, command: readonly string[]) =>
    containerProcess(config, { ...NOTHING, command }, AROUND).args;

  it('is Entrypoint with Cmd, or with the words in place of Cmd', () => {
    expect(argsOf({ Cmd: ['sh'] }, [])).toEqual(['sh']);
    expect(argsOf({ Entrypoint: ['env'], Cmd: ['a'] }, [])).toEqual(['env', 'a']);
    expect(argsOf({ Entrypoint: ['env'], Cmd: ['a'] }, ['b', 'c'])).toEqual(['env', 'b', 'c']);
  });

  it('is an error where there is nothing', () => {
    expect(() => argsOf({}, [])).toThrow('no command is given');
  });

  it('has the variables of the image, those typed, and some of its own', () => {
    const config = { Cmd: ['x'], Env: ['PATH=/bin', 'A=1', 'B=2'] };
    const env = ['B=3', 'HERE', 'MISSING', 'EMPTY='];
    const made = containerProcess(config, { command: [], env }, { ...AROUND, terminal: 'xterm' });
    expect(made.env).toEqual([
      'PATH=/bin',
      'HOSTNAME=host',
      'TERM=xterm',
      'A=1',
      'B=3',
      'HERE=mine',
      'EMPTY=',
    ]);
    expect(containerProcess({ Cmd: ['x'] }, NOTHING, AROUND).env[0]).toMatch(/^PATH=.*\/bin$/);
    expect(() => containerProcess(config, { command: [], env: ['=x'] }, AROUND)).toThrow('NAME=value');
  });

  it('begins where the words say, else where the image does, else at the root', () => {
    const cwdOf = (config: Execution, workdir?: string) =>
      containerProcess({ Cmd: ['x'], ...config }, { ...NOTHING, workdir }, AROUND).cwd;
    expect([
      cwdOf({}),
      cwdOf({ WorkingDir: '' }),
      cwdOf({ WorkingDir: '/srv' }),
      cwdOf({ WorkingDir: '/srv' }, '/tmp'),
    ]).toEqual(['/', '/', '/srv', '/tmp']);
    expect(() => cwdOf({}, 'tmp')).toThrow('not absolute');
  });

  it('is the user of the image unless another is typed', () => {
    const userOf = (user?: string) =>
      containerProcess({ Cmd: ['x'], User: 'web' }, { ...NOTHING, user }, AROUND).user;
    expect([userOf(), userOf('0')]).toEqual(['web', '0']);
  });

  it('is kept as a runtime specification', () => {
    const process = containerProcess({ Cmd: ['a', 'b c'] }, NOTHING, AROUND);
    const binds = [{ from: '/src', to: '/dst', readOnly: true }];
    const spec = runtimeSpec(process, { hostName: 'host', readOnly: false, binds });
    expect(argsIn(spec)).toEqual(['a', 'b c']);
    expect(JSON.parse(new TextDecoder().decode(spec.value))).toMatchObject({
      ociVersion: '1.0.2',
      hostname: 'host',
      root: { readonly: false },
      mounts: [{ destination: '/dst', source: '/src', type: 'bind', options: ['rbind', 'ro'] }],
    });
    expect(argsIn({ typeUrl: 'another', value: new Uint8Array() })).toEqual([]);
  });
});
