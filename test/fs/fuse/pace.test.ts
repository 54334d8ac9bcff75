// When a mount keeps the processors awake, by a clock that the test winds.

import { describe, expect, it } from 'vitest';
import { Burst } from '../../../fs/fuse/pace.js';

/** Serves requests, one each so many milliseconds, and tells after which of them the processors were held, and let go. */
class Asker {
  readonly changes: string[] = [];
  #requests = 0;
  #time = 1000;
  #held = false;
  readonly burst = new Burst({
    isHeld: () => this.#held,
    hold: () => this.#change(true),
    release: () => this.#change(false),
  });

  #change(held: boolean): void {
    if (held !== this.#held) this.changes.push(`${held ? 'held' : 'released'} after ${this.#requests}`);
    this.#held = held;
  }

  ask(requests: number, eachMs: number): this {
    for (let n = 0; n < requests; n++) {
      this.#requests++;
      this.#time += eachMs;
      this.burst.served(() => this.#time);
    }
    return this;
  }
}

describe('a burst of requests', () => {
  it('keeps the processors awake from its 128th request at the latest', () => {
    expect(new Asker().ask(1000, 0.02).changes).toEqual(['held after 128']);
  });

  it('is none where they come one by one', () => {
    expect(new Asker().ask(1000, 1).changes).toEqual([]);
  });

  it('is over when they come slower, and may begin again', () => {
    const asker = new Asker().ask(128, 0.02).ask(64, 1).ask(128, 0.02);
    expect(asker.changes).toEqual(['held after 128', 'released after 192', 'held after 256']);
  });

  it('is over when there are none, or the mount ends', () => {
    const asker = new Asker().ask(128, 0.02);
    asker.burst.end();
    expect(asker.changes).toEqual(['held after 128', 'released after 128']);
    expect(asker.burst.isOn()).toBe(false);
  });
});
