// The CRC of 64 bits with which tar-split checks the content of files: Go's crc64 with the table ISO, big-endian.

/**
 * By byte. The polynomial is x^64 + x^4 + x^3 + x + 1, reversed 0xd800000000000000: of each entry of the table only the
 * upper half is not zero.
 */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry === 1) high ^= 0xd8000000;
  }
  return high;
});

export class Crc64 {
  // What the register holds while it is not asked: all bits are turned before and after.
  #high = ~0;
  #low = ~0;

  update(bytes: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < bytes.length; i++) {
      const entry = TABLE[(low ^ bytes[i]!) & 0xff]!;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) ^ entry;
    }
    this.#high = high;
    this.#low = low;
  }

  /** Eight bytes. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, ~this.#high);
    view.setInt32(4, ~this.#low);
    return bytes;
  }
}
