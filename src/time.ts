// Points in time as the store writes them: RFC 3339, UTC, nine digits of nanoseconds.

/** Now. Finer than Date.now(): containerd's clients compare with clocks of nanoseconds. */
export function timeNow(): string {
  const ms = performance.timeOrigin + performance.now();
  const whole = Math.floor(ms);
  const nanos = Math.floor((ms - whole) * 1e6);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(nanos).padStart(6, '0')}Z`;
}
