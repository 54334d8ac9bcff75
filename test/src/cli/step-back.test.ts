import { spawn, spawnSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { lowerPriority } from '../../../src/cli/step-back.js';

test('a thread that has ended meanwhile keeps none of the others from stepping back', () => {
  const ended = spawnSync('true').pid;
  const alive = spawn('sleep', ['60']);
  try {
    lowerPriority([ended, alive.pid!]);
    expect(getPriority(alive.pid)).toBeGreaterThanOrEqual(10);
  } finally {
    alive.kill();
  }
});
