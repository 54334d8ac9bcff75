import { expect, test } from 'vitest';
import { KeyedLock } from '../../src/keyed-lock.js';

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('runs of one key follow each other in the order of asking, those of another do not wait', async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  const first = gate();
  const runs = [
    lock.run('a', async () => {
      order.push('a1 begins');
      await first.opened;
      order.push('a1 ends');
    }),
    lock.run('a', async () => order.push('a2')),
  ];
  await lock.run('b', async () => order.push('b'));
  first.open();
  await Promise.all(runs);
  expect(order).toEqual(['a1 begins', 'b', 'a1 ends', 'a2']);
});

test('a run that fails lets the next one go on, and fails only its caller', async () => {
  const lock = new KeyedLock();
  const failing = lock.run('a', async () => {
    throw new Error('no');
  });
  const next = lock.run('a', async () => 'yes');
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe('yes');
});

test('keys that nobody uses are forgotten', async () => {
  const lock = new KeyedLock();
  await Promise.all([
    lock.run('a', async () => 1),
    lock.run('a', async () => 2),
    lock.run('b', async () => 3),
  ]);
  expect(lock.size).toBe(0);
});
