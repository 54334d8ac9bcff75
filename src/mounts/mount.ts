// What a mount is said to be, in words that containerd and its clients share, and which program shows it.

/** The name of who shows a snapshot (drivers.ts): `fuse` is this program, `overlay` the kernel, `native` copies of whole trees. */
export type Driver = string;

/** One mount as containerd describes it: fstab words. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** Below the mount point that the caller has chosen; absent: the mount point itself. */
  readonly target?: string;
  readonly options: readonly string[];
}
