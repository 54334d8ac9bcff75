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
