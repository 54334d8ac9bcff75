import { expect, test } from 'vitest';
import { endMount } from '../../../src/mounts/end-mount.js';
import type { ServedMount } from '../../../src/mounts/serve.js';

/** A mount whose unmounting fails as `fails` says: told whether it is lazy. */
function mount(fails: (lazy: boolean) => boolean) {
  const asked: boolean[] = [];
  const served = {
    unmount: async (lazy = false) => {
      asked.push(lazy);
      if (fails(lazy)) throw new Error('not mounted');
    },
  } as ServedMount;
  return { asked, served };
}

test('a mount with open files is out of sight at once', async () => {
  const { asked, served } = mount((lazy) => !lazy);
  await endMount(served, false, () => expect.unreachable());
  expect(asked).toEqual([false, true]);
});

test('a mount that somebody else has unmounted ends nobody', async () => {
  const told: string[] = [];
  for (const again of [false, true]) {
    await endMount(mount(() => true).served, again, (text) => told.push(text));
  }
  expect(told).toEqual([expect.stringContaining('not mounted'), expect.stringContaining('not mounted')]);
});
