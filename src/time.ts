// Points in time as the store writes them: RFC 3339, UTC, nine digits of nanoseconds.

/** How far the fine clock may be from the machine's, which somebody may set while this process runs. */
const AGREED_MS = 2;

/** What the fine clock, which counts from the start of the process, begins at. */
let originMs = performance.timeOrigin;

/** Now. Finer than Date.now(): containerd's clients compare with clocks of nanoseconds. */
export function timeNow(): string {
  if (Math.abs(originMs + performance.now() - Date.now()) > AGREED_MS) originMs = originAtTick();
  const ms = originMs + performance.now();
  const whole = Math.floor(ms);
  return format(whole, Math.floor((ms - whole) * 1e6));
}

/** The point `ns` nanoseconds after 1970. */
export function timeOfNs(ns: bigint): string {
  return format(Number(ns / 1_000_000n), Number(ns % 1_000_000n));
}

/** Points after 1970 as `timeOfNs` writes them, for who writes many in a row: what they begin with is made once a second. */
export class TimesInRow {
  #second = -1;
  #begin = '';
  #ofDay = '';

  /** The point `ns` nanoseconds after 1970, as far as a double can tell (256 ns). */
  of(ns: number): string {
    const nanos = this.#nanosOf(ns);
    return `${this.#begin}${String(nanos).padStart(9, '0')}Z`;
  }

  /** Its time of day (UTC) to the microsecond. */
  ofDay(ns: number): string {
    const micros = Math.floor(this.#nanosOf(ns) / 1000);
    return `${this.#ofDay}${String(micros).padStart(6, '0')}`;
  }

  /** Of its second, from which on the texts begin with that. */
  #nanosOf(ns: number): number {
    let second = Math.floor(ns / 1e9);
    // The quotient may have been rounded up; the product is exact, since 10^9 is a multiple of 2^9.
    if (second * 1e9 > ns) second--;
    if (second !== this.#second) {
      this.#second = second;
      this.#begin = new Date(second * 1000).toISOString().slice(0, -4);
      this.#ofDay = this.#begin.slice(this.#begin.indexOf('T') + 1);
    }
    return Math.floor(ns - second * 1e9);
  }
}

/** The point an RFC 3339 text names, in milliseconds after 1970 with their fraction; undefined if it is none. */
export function msOfTime(text: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  if (parts === null) return undefined;
  const [, seconds, fraction = '.0', zone] = parts;
  const ms = Date.parse(`${seconds}${zone}`.toUpperCase());
  return Number.isNaN(ms) ? undefined : ms + Number(`0${fraction}`) * 1000;
}

/** The machine's clock is read at the moment when its millisecond begins: then both are the same. */
function originAtTick(): number {
  const before = Date.now();
  for (;;) {
    const now = Date.now();
    if (now !== before) return now - performance.now();
  }
}

function format(wholeMs: number, nanos: number): string {
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(nanos).padStart(6, '0')}Z`;
}
