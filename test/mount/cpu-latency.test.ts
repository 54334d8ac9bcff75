// Whether the server of a mount keeps the processors of a virtual machine awake while it is asked much, and then alone:
// whoever has the kernel's file open does, so the files of the server are looked at.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { describeWith } from '../requires.js';
import { eachWithMount, type Served } from './mounted.js';

/** True if the server keeps the processors awake now. */
function isHeldBy({ process: { pid } }: Served): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === '/dev/cpu_dma_latency';
    } catch {
      return false;
    }
  });
}

describeWith(['root', 'fuse', 'halting processors'], 'the processors', () => {
  const at = eachWithMount();

  /** Runs a script beside the mount; true if the processors were kept awake at a moment of it. */
  async function heldDuring(served: Served, script: string): Promise<boolean> {
    const child = spawn('timeout', ['60', 'sh', '-ec', script], {
      cwd: at.scratch.at('mnt'),
      stdio: 'ignore',
    });
    let held = false;
    let ended = false;
    const end = once(child, 'exit').then(([code]) => {
      ended = true;
      return code as number;
    });
    while (!ended) {
      held ||= isHeldBy(served);
      await sleep(1);
    }
    expect(await end).toBe(0);
    return held;
  }

  const MUCH = 'for d in $(seq 20); do mkdir "$d"; seq -f "$d/%.0f" 500 | xargs touch; done; rm -r *';

  it('stay awake while the mount is asked much, and halt again when it is not', async () => {
    const served = await at.serve();
    expect(await heldDuring(served, MUCH)).toBe(true);
    await expect.poll(() => isHeldBy(served), { timeout: 5000 }).toBe(false);
    expect(await heldDuring(served, MUCH)).toBe(true);
    await served.stop();
  });

  it('halt where it is asked now and then', async () => {
    const served = await at.serve();
    expect(await heldDuring(served, 'for n in $(seq 300); do echo > "$n"; sleep 0.005; done')).toBe(false);
  });

  it('halt for who switched it off', async () => {
    const served = await at.serve({}, ['env', 'MICA_WITHOUT=cpu-latency']);
    expect(await heldDuring(served, MUCH)).toBe(false);
  });
});
