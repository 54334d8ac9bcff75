// The terminal that a process was started from: which group of processes has it (tcgetpgrp(3), credentials(7)).

import { type CFunction, declare } from './libc.js';

const SIGTTOU = 22;
const SIG_IGN = 1;

interface Calls {
  readonly tcgetpgrp: CFunction;
  readonly tcsetpgrp: CFunction;
  readonly getpgrp: CFunction;
  readonly signal: CFunction;
  readonly isatty: CFunction;
}

let calls: Calls | undefined;

function libc(): Calls {
  calls ??= {
    tcgetpgrp: declare('int', 'tcgetpgrp', ['int']),
    tcsetpgrp: declare('int', 'tcsetpgrp', ['int', 'int']),
    getpgrp: declare('int', 'getpgrp', []),
    signal: declare('long', 'signal', ['int', 'long']),
    isatty: declare('int', 'isatty', ['int']),
  };
  return calls;
}

export function isTerminal(fd: number): boolean {
  return libc().isatty(fd) === 1;
}

/** True if `fd` is this process's terminal and its group has it: what is typed there signals this process, too. */
export function hasTerminal(fd: number): boolean {
  const group = libc().tcgetpgrp(fd);
  return group > 0 && group === libc().getpgrp();
}

/** Gives the terminal back to this process's group, from which a child that has ended took it. */
export function takeTerminal(fd: number): void {
  const before = libc().signal(SIGTTOU, SIG_IGN);
  // A terminal that is gone meanwhile is nobody's.
  libc().tcsetpgrp(fd, libc().getpgrp());
  libc().signal(SIGTTOU, before);
}
