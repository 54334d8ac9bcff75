// Numbers as they are typed.

import { StoreError } from '../errors.js';

/** invalid-argument unless `text` is a whole number of bytes. */
export function wholeNumber(text: string, option: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new StoreError('invalid-argument', `cannot use ${option} ${text}`, 'it is a whole number of bytes');
}
