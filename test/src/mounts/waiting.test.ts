import { expect, test } from 'vitest';
import { Waiting } from '../../../src/mounts/waiting.js';

test('who waits is answered in time, and at once when the mount is over, before that has ended', async () => {
  const waiting = new Waiting();
  expect(await waiting.until(1, async (isOver) => isOver)).toBe(false);
  const answered: boolean[] = [];
  const asked = [1, 2].map(() => waiting.until(600_000, async (isOver) => answered.push(isOver)));
  await waiting.end();
  expect(answered).toEqual([true, true]);
  await Promise.all(asked);
  expect(await waiting.until(600_000, async (isOver) => isOver)).toBe(true);
});

test('an answer that fails keeps nobody from ending', async () => {
  const waiting = new Waiting();
  const failing = waiting.until(600_000, () => Promise.reject(new Error('gone')));
  failing.catch(() => undefined);
  await waiting.end();
  await expect(failing).rejects.toThrow('gone');
});
