// What a file of a given size has in it, on every engine.

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Letters over and over: something to see, and no holes. */
export function filler(size: number): Uint8Array {
  const line = new TextEncoder().encode(LETTERS);
  return Uint8Array.from({ length: size }, (_, at) => line[at % line.length]!);
}
