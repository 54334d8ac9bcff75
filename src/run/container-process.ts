// What runs in a container: the image's config, and what was typed in its place (OCI image-spec, config.md). Kept with
// the container as a runtime specification, whose readers are others than this program, too.

import { StoreError } from '../errors.js';
import type { OpaqueValue } from '../metadata/rows.js';
import type { Bind, ContainerProcess } from './messages.js';

/** The part of an image's config that says how to run it. */
export interface Execution {
  readonly Entrypoint?: readonly string[] | undefined;
  readonly Cmd?: readonly string[] | undefined;
  readonly Env?: readonly string[] | undefined;
  readonly WorkingDir?: string | undefined;
  readonly User?: string | undefined;
}

/** What was typed; absent, the image decides. */
export interface ProcessWords {
  /** In place of Cmd. */
  readonly command: readonly string[];
  /** `NAME=value`, or `NAME` for the caller's own value. */
  readonly env: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** `terminal`: what TERM is where a terminal is passed through. invalid-argument where there is nothing to run. */
export function containerProcess(
  config: Execution,
  words: ProcessWords,
  around: {
    readonly hostName: string;
    readonly terminal?: string | undefined;
    readonly env: NodeJS.ProcessEnv;
  },
): ContainerProcess {
  const args = [
    ...(config.Entrypoint ?? []),
    ...(words.command.length > 0 ? words.command : (config.Cmd ?? [])),
  ];
  if (args.length === 0) {
    throw new StoreError('invalid-argument', 'cannot run', 'no command is given, and the image has none', {
      hint: 'mica run IMAGE -- COMMAND',
    });
  }
  const cwd = words.workdir ?? (config.WorkingDir || '/');
  if (!cwd.startsWith('/')) {
    throw new StoreError('invalid-argument', `cannot run in ${cwd}`, 'the working folder is not absolute');
  }
  const variables = new Map<string, string>();
  const set = (line: string): void => {
    variables.set(line.split('=', 1)[0] ?? line, line);
  };
  set(PATH);
  set(`HOSTNAME=${around.hostName}`);
  if (around.terminal !== undefined) set(`TERM=${around.terminal}`);
  for (const line of config.Env ?? []) set(line);
  for (const line of words.env) for (const whole of typedVariable(line, around.env)) set(whole);
  return { args, env: [...variables.values()], cwd, user: words.user ?? config.User ?? '' };
}

/** A variable that the caller does not have is not set. */
function typedVariable(line: string, env: NodeJS.ProcessEnv): readonly string[] {
  const [name = ''] = line.split('=', 1);
  if (name === '')
    throw new StoreError('invalid-argument', `cannot set variable ${line}`, 'it is not NAME=value');
  if (line.includes('=')) return [line];
  const value = env[line];
  return value === undefined ? [] : [`${line}=${value}`];
}

const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';

/** The runtime specification (OCI runtime-spec, config.md) of a container, as its row keeps it. */
export function runtimeSpec(
  process: ContainerProcess,
  container: { readonly hostName: string; readonly readOnly: boolean; readonly binds: readonly Bind[] },
): OpaqueValue {
  const spec = {
    ociVersion: '1.0.2',
    process: { user: { username: process.user }, args: process.args, env: process.env, cwd: process.cwd },
    root: { path: 'root', readonly: container.readOnly },
    hostname: container.hostName,
    mounts: container.binds.map(({ from, to, readOnly }) => ({
      destination: to,
      type: 'bind',
      source: from,
      options: ['rbind', readOnly ? 'ro' : 'rw'],
    })),
  };
  return { typeUrl: SPEC_TYPE, value: new TextEncoder().encode(JSON.stringify(spec)) };
}

/** The command in the specification of a container; none where it is not one of ours. */
export function argsIn(spec: OpaqueValue): readonly string[] {
  if (spec.typeUrl !== SPEC_TYPE) return [];
  const { process } = JSON.parse(new TextDecoder().decode(spec.value)) as { process?: { args?: string[] } };
  return process?.args ?? [];
}
