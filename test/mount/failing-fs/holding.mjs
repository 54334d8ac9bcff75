// Requests that wait until they are let go: the attribute `user.hold` of the root, set to a list of kinds, holds all of
// these kinds from then on; set to {errno} it lets them go, to be served (0), or to fail as all others of these kinds
// from then on. `user.held` counts those that wait. What is held keeps nobody else waiting.

const { FsError } = await import('../../../dist/fs/index.js');
const { Later } = await import('../../../dist/fs/later.js');

export class Holding {
  /** Set by the dispatcher. */
  again = false;
  #kinds = [];
  #held = 0;
  #task;
  #errno = 0;
  #finished = [];
  #wake;

  /** `wake` is called when something is let go. */
  constructor(wake) {
    this.#wake = wake;
  }

  get held() {
    return this.#held;
  }

  command(asked) {
    if (Array.isArray(asked)) {
      this.#kinds = asked;
      this.#errno = 0;
      this.#task = { errno: undefined, abandon: () => undefined, end: () => undefined };
      return;
    }
    this.#held = 0;
    this.#errno = asked.errno;
    if (asked.errno === 0) this.#kinds = [];
    if (this.#task === undefined) return;
    this.#task.errno = asked.errno;
    this.#finished.push(this.#task);
    this.#task = undefined;
    this.#wake();
  }

  /** To be called before a request of a kind is served. */
  meet(kind) {
    if (this.again || !this.#kinds.includes(kind)) return;
    if (this.#errno !== 0) throw new FsError(this.#errno, kind);
    this.#held++;
    throw new Later(this.#task);
  }

  takeFinished() {
    return this.#finished.shift();
  }
}
