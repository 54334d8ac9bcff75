// The first process of a container: it makes the tree, becomes the user, starts the command, waits for whatever ends in
// the container, and hands on signals. It ends with the command, and when the channel to `mica run` does; with it the
// kernel ends every process of the container (pid_namespaces(7)). After the tree is made nothing may be loaded any more.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { sys } from '../../fs/index.js';
import { StoreError } from '../errors.js';
import { closeInherited } from '../mounts/inherited-files.js';
import { enterContainer } from './container-root.js';
import type { InitReport, InitSpec, ToInit } from './messages.js';
import { plainError } from './plain-error.js';
import { type ContainerUser, resolveUser } from './users.js';

/** What a command may be able to do as root: the set of containerd's and Docker's default (capabilities(7)). */
const KEPT_CAPABILITIES: ReadonlySet<number> = new Set([
  0, // chown
  1, // dac_override
  3, // fowner
  4, // fsetid
  5, // kill
  6, // setgid
  7, // setuid
  8, // setpcap
  10, // net_bind_service
  13, // net_raw
  18, // sys_chroot
  27, // mknod
  29, // audit_write
  31, // setfcap
]);

/** The caller's standard error; this process has another, for what is no word of the command. */
const STDERR = 4;

const CANNOT_START: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program in the container',
  EACCES: 'it is not executable',
  ENOEXEC: 'it is no program for this machine',
};
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const KILLED = 128 + 9;

function report(answer: InitReport, then: () => void = () => undefined): void {
  if (process.send === undefined) then();
  else process.send(answer, undefined, undefined, then);
}

function begin(spec: InitSpec): void {
  sys.loadRootCalls();
  report({ made: enterContainer(spec) });
  const { args, cwd, env } = spec.process;
  const user = userOf(spec.process.user);
  process.umask(0o022);
  mkdirSync(cwd, { recursive: true });
  sys.boundCapabilities(KEPT_CAPABILITIES);
  become(user, spec.process.user);
  const home = env.some((line) => line.startsWith('HOME=')) ? [] : [['HOME', user.home]];
  const variables = env.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  const [program = '', ...words] = args;
  sys.closeOnExec(STDERR);
  const child = spawn(program, words, {
    cwd,
    env: Object.fromEntries([...home, ...variables]),
    stdio: ['inherit', 'inherit', STDERR],
  });
  process.on('SIGCHLD', () => sys.reapOthers(child.pid ?? 0));
  attend(child, program);
}

function attend(child: ChildProcess, program: string): void {
  child.once('spawn', () => report({ started: true }));
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (child.pid !== undefined) return;
    const code = error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE;
    const why = CANNOT_START[error.code ?? ''] ?? error.code ?? error.message;
    failed(new StoreError('failed', `cannot run ${program}`, why), code);
  });
  child.once('exit', (exit, signal) => {
    const code = signal === null ? (exit ?? 1) : 128 + constants.signals[signal];
    report({ ended: code }, () => process.exit(code));
  });
  process.on('message', ({ signal }: ToInit) => child.kill(signal));
}

function userOf(user: string): ContainerUser {
  return resolveUser(user, readIfThere('/etc/passwd'), readIfThere('/etc/group'));
}

/** For good, and all threads of this process with it. */
function become({ uid, gid, groups }: ContainerUser, word: string): void {
  try {
    // Where one id is mapped the kernel lets nobody change groups, and root there is the caller himself.
    if (mayChangeGroups()) process.setgroups?.([gid, ...groups]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  } catch (error) {
    const why = `there is no number for ${uid}:${gid} in the user namespace`;
    throw new StoreError('unsupported', `cannot run as ${word}`, why, {
      cause: error,
      hint: 'mica run --user root, or subordinate ids for this user: usermod --add-subuids, --add-subgids, apt-get install uidmap',
    });
  }
}

function mayChangeGroups(): boolean {
  return readIfThere('/proc/self/setgroups').trim() !== 'deny';
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return '';
    throw error;
  }
}

function failed(error: unknown, code?: number): void {
  const answer = {
    error: plainError(error, 'cannot make the container'),
    ...(code === undefined ? {} : { code }),
  };
  report(answer, () => process.exit(code ?? 1));
}

closeInherited(STDERR + 1);
process.on('disconnect', () => process.exit(KILLED));
process.once('message', (spec) => {
  try {
    begin(spec as InitSpec);
  } catch (error) {
    failed(error);
  }
});
