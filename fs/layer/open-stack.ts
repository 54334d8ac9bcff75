// A stack of layer folders as plain data: what the store knows and a mount server, or a command that works
// without a mount, opens.

import type { Dialect, MarkPrefix } from './layer.js';

export interface LowerDescription {
  /** The layer's folder, absolute. */
  readonly path: string;
  /** How events and `explain` name the layer. */
  readonly id: string;
  readonly dialect: Dialect;
  /** Absent: whichever this process can read. */
  readonly marks?: MarkPrefix;
}

export interface UpperDescription extends LowerDescription {
  /** The work folder, on the filesystem of `path`. */
  readonly work: string;
  readonly marks: MarkPrefix;
}

export interface StackDescription {
  /** Topmost first. */
  readonly lowers: readonly LowerDescription[];
  /** Absent: the union is read only. */
  readonly upper?: UpperDescription;
}
