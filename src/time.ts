// Points in time as the store writes them: RFC 3339, UTC, nine digits of nanoseconds.

/** Now. Finer than Date.now(): containerd's clients compare with clocks of nanoseconds. */
export function timeNow(): string {
  const ms = performance.timeOrigin + performance.now();
  const whole = Math.floor(ms);
  return format(whole, Math.floor((ms - whole) * 1e6));
}

/** The point `ns` nanoseconds after 1970. */
export function timeOfNs(ns: bigint): string {
  return format(Number(ns / 1_000_000n), Number(ns % 1_000_000n));
}

function format(wholeMs: number, nanos: number): string {
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(nanos).padStart(6, '0')}Z`;
}
